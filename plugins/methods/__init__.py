"""Methods: how a cell becomes steps."""
