"""What is drawn of a finished run for its report."""
