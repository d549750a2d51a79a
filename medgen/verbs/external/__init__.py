"""`medgen evaluate`: a finished run on frames of another data set than its own."""
