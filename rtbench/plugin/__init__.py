"""Interfaces that plugins implement, services that the core offers them, and the manager that finds and calls them."""
