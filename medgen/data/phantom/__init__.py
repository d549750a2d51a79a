"""Synthetic endoscopy frames with known lesions, for the demo and the tests: from settings to a folder of frames and masks."""
