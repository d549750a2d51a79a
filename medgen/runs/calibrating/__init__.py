"""What normal frames say of a run: threshold and how rare a score is."""
