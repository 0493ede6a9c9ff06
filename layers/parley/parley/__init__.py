"""Parley's shared package: the rooms of docs/architecture.md, loaded by every function from the Lambda layer."""
