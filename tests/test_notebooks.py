"""The notebooks of docs/notebooks run as they stand there, a small budget aside, and show what a recorded run has left.

Each has one cell tagged "budget", which says how many frames, how large and how long; `BUDGETS` stands in its place here.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
sys.path.insert(0, str(FOLDER.parent))

import notebook_pictures  # noqa: E402

FRAMES = {"train": 16, "val": 24, "test_normal": 16, "test_abnormal": 16, "width": 160, "height": 160}
BUDGETS = {
    "train-and-explain-endovae": {"FRAMES": FRAMES, "SIZE": 16, "EPOCHS": 1, "LATENTS": 3},
    "compare-three-backends": {
        "FRAMES": FRAMES,
        "SIZE": 16,
        "BACKENDS": ["vae", "vqvae"],
        "HOW": {"assignments": ["train.epochs=1", "train.panel_epochs=0", "model.widths=[8]"]},
    },
}
NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.ipynb"))}


def cells(name: str) -> list[dict[str, Any]]:
    """Return the cells of a notebook that hold code."""
    return [cell for cell in NOTEBOOKS[name]["cells"] if cell["cell_type"] == "code"]


@pytest.mark.usefixtures("blank_charts", "no_comparison_pdf", "few_draws", "narrow_endovae")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_run_in_their_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    names: dict[str, Any] = {}
    for cell in cells(name):
        exec("".join(cell["source"]), names)
        if "budget" in cell["metadata"].get("tags", []):
            assert names.keys() >= BUDGETS[name].keys()
            names |= BUDGETS[name]
    assert names["FOLDER"].is_dir() and not plt.get_fignums()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_cell_was_run_in_its_order_and_none_failed(name: str) -> None:
    outputs = [output for cell in cells(name) for output in cell["outputs"]]
    assert [cell["execution_count"] for cell in cells(name)] == [*range(1, len(cells(name)) + 1)]
    assert outputs and not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_names_a_folder_of_a_machine_and_none_is_large(name: str) -> None:
    text = json.dumps([cell["outputs"] for cell in cells(name)])
    assert not re.search(r"/(?:tmp|home|root|work|Users|usr)/", text) and len(text) < 600_000


def test_a_recorded_picture_gets_a_palette_and_looks_the_same() -> None:
    pixels = np.random.default_rng(0).integers(0, 4, (64, 64, 3), dtype=np.uint8) * 60
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGBA").save(stream, "png")
    reduced = notebook_pictures.with_palette(base64.b64encode(stream.getvalue()).decode())
    shown = Image.open(io.BytesIO(base64.b64decode(reduced)))
    assert shown.mode == "P" and np.array_equal(np.asarray(shown.convert("RGB")), pixels)


def test_the_recorded_model_is_far_above_guessing() -> None:
    text = json.dumps([cell["outputs"] for cell in cells("train-and-explain-endovae")])
    (low,) = re.findall(r"AUROC 0\.\d+ \((0\.\d+) to 0\.\d+\); 0\.5 is guessing", text)
    assert float(low) > 0.7
