"""Programs that follow trainings from outside: what is logged to them, and how each is told."""
