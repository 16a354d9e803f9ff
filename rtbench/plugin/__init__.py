"""What plugins implement, what the core offers them, and the manager that finds and calls them."""
