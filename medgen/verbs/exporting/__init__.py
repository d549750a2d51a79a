"""A run written down for other programs: a graph, what stands around it, and how far it is from the run."""
