"""The demo goes the whole way, and replaces nothing but an earlier demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medgen.data.phantom.frames import PhantomSettings
from medgen.errors import FolderError
from medgen.verbs import demo as module


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {"train": 16, "val": 24, "test_normal": 8, "test_abnormal": 8, "width": 160, "height": 160}
    monkeypatch.setattr(module, "PhantomSettings", lambda difficulty: PhantomSettings(difficulty=difficulty, **frames))


@pytest.mark.usefixtures("blank_charts", "narrow_endovae")
def test_the_demo_ends_with_a_page_and_metrics_and_can_be_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        made = module.demo(tmp_path / "demo", epochs=1)
    assert made.page.is_file() and json.loads(made.metrics.read_text())["frames"]["abnormal"] == 8


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(FolderError, match="choose another --out"):
        module.demo(tmp_path, epochs=1)
    assert (tmp_path / "thesis.doc").read_text() == "precious"
