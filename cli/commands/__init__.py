"""The commands, one a file: `NAME.py` has a click command `NAME`, and nothing else has to be told of it."""
