"""The commands, one a file: `NAME.py` defines the click command `NAME`, and `main` finds it there; there is no list to extend."""
