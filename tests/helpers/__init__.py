"""What several tests share. Tests import helpers, and never each other."""
