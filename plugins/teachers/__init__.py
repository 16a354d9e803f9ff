"""Teachers: recordings, procedural twins, vLLM."""
