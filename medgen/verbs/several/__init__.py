"""Trainings that are divided among several processes, each with a device."""
