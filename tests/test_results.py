"""From a run to its results there is one way, and the model is loaded once on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources import folder

from medgen import api
from medgen.runs import run as module
from medgen.runs.run import Run
from medgen.verbs.results import evaluate_run, open_split

SMALL = ("train.epochs=1", "data.batch_size=4", "model.widths=[8]", "model.latents=2")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("results")
    frames = folder(root / "frames", "train/good", "val/good", "test/good", "test/bad", count=8)
    return api.train(Path(f"folder:{frames}"), root / "run", api.recipe("vae", None, SMALL))


def test_the_model_is_loaded_once_for_scores_samples_panels_and_figures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load_weights = [], module.load_weights
    monkeypatch.setattr(module, "load_weights", lambda model, path: (loads.append(path), load_weights(model, path)))
    results = evaluate_run(run, *open_split(run), tmp_path, device="cpu").results
    assert results.samples is not None and results.panels and results.extra_figures and len(loads) == 1


def test_the_weights_are_hashed_once_while_their_file_stays_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, file_digest = [], module.file_digest
    monkeypatch.setattr(module, "file_digest", lambda file, name: (reads.append(name), file_digest(file, name))[1])
    module._file_digest.cache_clear()
    first = [run.weights_digest() for _ in range(3)]
    weights = run.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    assert len(reads) == 1 and run.weights_digest() == first[0] and len(reads) == 2
