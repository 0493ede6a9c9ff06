"""What `make run` runs: the platform and what is beside it, its keys and tokens, and what a developer sees of it."""
