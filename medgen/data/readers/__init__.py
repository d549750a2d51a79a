"""A path to pictures: photographs, TIFF stacks, DICOM, NIfTI and NumPy arrays, each as an `Image`."""
