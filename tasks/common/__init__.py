"""Code and data shared by the procedural twins: words, stories, and the small world of commonsense questions."""
