"""The version of rtbench."""

__version__ = "0.2.0"
