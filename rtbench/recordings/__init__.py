"""Completions made elsewhere: read, matched to samples, imported, scored."""
