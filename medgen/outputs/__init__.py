"""Output folders: one process writes into each at a time, and what a killed one left is gone on with or cleared away."""
