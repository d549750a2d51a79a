"""medgen: generative anomaly detection for medical images. For research, never for diagnosis."""

__version__ = "0.1.0"
