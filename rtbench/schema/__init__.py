"""Passive records that cross rooms: what is stored, sent to another process, or shown. No behaviour beyond derived properties."""
