"""Reporters: terminal table, Markdown, CSV, JSON, LaTeX, logs of inspect_ai."""
