"""From a matrix file to cells: read, override, resolve, expand."""
