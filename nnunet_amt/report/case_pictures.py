"""Overlays of the worst and best cases, in three planes."""

