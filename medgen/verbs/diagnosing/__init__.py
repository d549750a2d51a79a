"""Whether this machine runs medgen as it should."""
