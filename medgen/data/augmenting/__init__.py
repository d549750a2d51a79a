"""Random changes of training frames: drawn, then applied."""
