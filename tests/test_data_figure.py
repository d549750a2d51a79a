"""The picture of a data set: sizes, three frames of each class, copies beside their originals."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from medgen import api
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.errors import FolderError
from medgen.verbs.figures import data_figure

Parts = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("figure") / "frames"
    for number, name in enumerate(["normal"] * 8 + ["polyps"] * 4):
        (root / name).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(60, 250, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / name / f"frame-{chr(97 + number) * 3}.png")
    return root


@pytest.fixture(scope="module")
def data(frames: Path) -> Prepared:
    return api.prepare(frames, frames.parent / "data", PrepareSettings(size=48, copies=2), workers=1)


@pytest.fixture(scope="module")
def parts(frames: Path, data: Prepared) -> dict[Path, Parts]:
    """The pictures of both as files beside them, and their parts by title."""
    found: dict[Path, Parts] = {}
    whole = data_figure.stacked

    def kept(pictures: list[bytes], titles: list[str], width: int) -> bytes:
        found[source] = {title: np.asarray(Image.open(BytesIO(part))) for title, part in zip(titles, pictures, strict=True)}
        return whole(pictures, titles, width)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_figure, "stacked", kept)
        for source in (frames, data.folder):
            api.data_figure(source, source.with_suffix(".png"))
    return found


def test_raw_frames_are_shown_by_size_and_by_class(frames: Path, parts: dict[Path, Parts]) -> None:
    shown = parts[frames]
    assert list(shown) == ["Sizes of the frames", "3 frames of each class"]
    assert shown["3 frames of each class"].shape == (22 + 3 * 148 + 4, 2 * 148 + 4, 3)


def test_copies_stand_beside_their_original(data: Prepared, parts: dict[Path, Parts]) -> None:
    shown = parts[data.folder]["Originals and their augmented copies"]
    first = data.index[data.index["copy"] > 0].index[0]
    original = int(np.flatnonzero((data.index["id"] == data.index["id"][first]) & (data.index["copy"] == 0))[0])
    assert shown.shape == (22 + 4 * 148 + 4, 3 * 148 + 4, 3)
    for place, row in enumerate((original, first)):
        tile = shown[26 : 26 + 144, 4 + 148 * place : 148 + 148 * place]
        np.testing.assert_array_equal(tile[1::3, 1::3], data.frames[np.array([row])][0])


def test_a_size_counts_as_often_as_there_are_frames_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    from matplotlib.axes import Axes

    monkeypatch.setattr(Axes, "stairs", lambda self, values, edges, **rest: drawn.append((rest["label"], values.sum())))
    sizes = pd.DataFrame({"finding": ["a", "a", "b"], "width": [10, 20, 20], "height": 10, "frames": [5, 1, 2]})
    monkeypatch.setattr("matplotlib.figure.Figure.legend", lambda *_, **__: None)
    data_figure.size_histogram(sizes)
    assert drawn[:3] == [("all", 8), ("a", 6), ("b", 2)]


def test_the_picture_of_another_data_set_is_not_replaced(frames: Path, data: Prepared, parts: dict[Path, Parts]) -> None:
    assert len(parts) == 2
    with pytest.raises(FolderError, match=r"data\.png"):
        api.data_figure(frames, data.folder.with_suffix(".png"))
