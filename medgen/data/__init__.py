"""From files on disk to batches: the only code that opens images."""
