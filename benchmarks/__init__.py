"""Benchmarks; run them from the root with `make bench`."""
