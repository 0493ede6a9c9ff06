"""Parley's shared package: the rooms of docs/architecture.md, loaded by every function from the Lambda layer."""

import gc

# Python looks for garbage after 2,000 new objects. While modules load there is none, and looking takes a fifteenth of a
# cold start (benchmarks/cold_start.py). A first answer makes less objects than this in all.
gc.set_threshold(150_000)
