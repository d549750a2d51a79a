"""A run that stays in memory."""
