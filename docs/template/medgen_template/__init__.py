"""A backend of medgen in a package of its own."""
