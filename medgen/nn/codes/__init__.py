"""Discrete codes: the codebook and the priors over grids of codes."""
