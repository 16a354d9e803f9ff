"""Teachers behind an OpenAI-compatible endpoint, asked through one asynchronous engine."""
