"""The version of rtbench."""

__version__ = "0.1.0"
