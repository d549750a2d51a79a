"""Where a run's maps are right, and what is flagged in them."""
