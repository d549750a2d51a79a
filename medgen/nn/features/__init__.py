"""Fixed networks that only look at frames, and what is computed from their features."""
