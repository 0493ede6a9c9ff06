"""What tests and benchmarks share; never shipped."""
