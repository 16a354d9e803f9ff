"""Executors, which run the steps of a plan."""
