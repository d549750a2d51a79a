"""A folder to what it means: which files are frames, and their class, label, split, group and mask."""
