"""Whether two detectors, several methods or two samples differ: the tests and what they allow to say."""
