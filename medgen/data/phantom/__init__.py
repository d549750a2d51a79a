"""Synthetic endoscopy frames with known lesions, for the demo and the tests."""
