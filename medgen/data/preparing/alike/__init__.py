"""Frames that are nearly the same."""
