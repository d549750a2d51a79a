"""From cropped files to the data set."""
