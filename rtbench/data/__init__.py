"""Pinned data files, their download, and the overlap of folds."""
