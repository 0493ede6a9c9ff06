"""Other vendors' wire formats over the same model calls and embeddings: OpenAI's under /v1."""
