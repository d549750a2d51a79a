"""Work on archives that is spread over many processes and machines: partitions, each done once, whoever does it."""
