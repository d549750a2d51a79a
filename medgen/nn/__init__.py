"""Network parts that two or more backends share."""
