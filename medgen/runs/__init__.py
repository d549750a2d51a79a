"""A run on disk: what training wrote, the data sets it looks at, its calibration and its scores."""
