"""One generative model a file; `_base` holds the contract."""
