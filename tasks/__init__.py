"""The benchmark's tasks: one folder each, with its YAML, card and demonstrations."""
