"""A folder and all below it to its images, each with its masks, boxes and what it belongs to: what the layouts share."""
