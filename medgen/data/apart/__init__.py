"""Readers that run in a process of their own, since a damaged file may end, keep or fill the process that reads it."""
