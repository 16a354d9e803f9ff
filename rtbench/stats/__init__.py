"""Intervals, the bootstrap, and paired differences. Knows no ledger and no task."""
