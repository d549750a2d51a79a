"""Scores and metrics to tables, figures and one self-contained page."""
