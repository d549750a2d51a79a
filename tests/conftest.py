"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(autouse=True, scope="session")
def _small_reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let reports measure a few samples only, and keep features of real frames out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medgen.verbs.results.N_MEASURED", 8)
        patch.setenv("MEDGEN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield
