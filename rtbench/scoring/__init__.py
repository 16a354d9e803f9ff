"""Answers found in texts, and their scores: rules, extractors, metrics."""
