"""Intervals and tests; no torch."""
