"""Intervals, tests, ROC, calibration, agreement and reader studies; no torch."""
