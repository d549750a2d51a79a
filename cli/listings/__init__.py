"""Commands that list what medgen has, one a file: found by the name of the file as those of `commands`."""
