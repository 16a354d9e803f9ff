"""Checks that plugins keep their contracts: ``rtbench check`` and the pytest plugin for authors (docs/plugins.md)."""
