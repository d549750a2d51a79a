"""Raw pictures to a prepared data set: read, crop, find near-duplicates, divide into splits."""
