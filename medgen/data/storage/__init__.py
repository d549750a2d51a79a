"""What the arrays of a set are stored in: a file of each, shards, or shards that lie elsewhere."""
