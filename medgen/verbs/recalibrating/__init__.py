"""Recalibrate a run on few normal frames of another place."""
