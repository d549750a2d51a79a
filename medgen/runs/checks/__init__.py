"""What is refused before a training begins."""
