"""Data sets that need no crop: archives and folders of frames that are read at their own size."""
