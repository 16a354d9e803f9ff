"""Answers out of texts, and verdicts on them: rules, extractors, metrics."""
