"""A training that several processes share: where each stands, how they are joined, and what is divided among them."""
