"""The networks themselves, and where their weights are found."""
