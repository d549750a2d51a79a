"""Which traits of frames alone tell the labels apart: what is measured of a data set, and how it is drawn."""
