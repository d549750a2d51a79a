"""Anomaly maps to files that other programs read, on the grid of the original picture."""
