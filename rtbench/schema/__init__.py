"""Passive records that cross rooms: stored, sent to another process, or shown. They only have derived properties."""
