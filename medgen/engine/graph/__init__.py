"""What is computed of frames as a graph of operators that other programs run."""
