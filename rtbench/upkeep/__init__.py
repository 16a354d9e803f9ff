"""Upkeep of a workspace: what is damaged, what is no longer needed, and what takes space."""
