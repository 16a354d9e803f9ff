"""Teachers and students behind OpenAI-compatible endpoints."""
