"""Networks that carry a frame from one domain to another."""
