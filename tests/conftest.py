"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tiny models are faster so, and busy machines are not slowed to a crawl by waiting threads


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MEDGEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "hyperkvasir" / "manifest.csv").is_file():
        pytest.skip(f"real frames are not at {folder}; name their folder in MEDGEN_TEST_DATA")
    return folder
