"""Templates of plugins and tasks: ``rtbench new``."""
