"""Completions generated elsewhere: reading them, matching them to samples, importing and scoring them."""
