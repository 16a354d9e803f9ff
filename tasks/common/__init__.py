"""What the procedural twins share: words, and the small world that commonsense questions are about."""
