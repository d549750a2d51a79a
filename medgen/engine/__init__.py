"""The training loop, the inference loop and checkpoints."""
