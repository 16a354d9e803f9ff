"""Students and teachers that use transformers.

Modules that import torch or transformers at the top say so in their first line. They are imported inside the functions
that need them, so that planning imports neither.
"""
