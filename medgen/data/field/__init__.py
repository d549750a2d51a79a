"""A picture to its tissue: where the field of view lies, and what inside it is overlay."""
