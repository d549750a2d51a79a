"""One file for each format: what it needs is said by `medgen.data.reader.Reader`. One with an underscore is none."""
