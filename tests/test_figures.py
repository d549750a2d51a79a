"""Figures: the right curves, colours and pixels; names drawn as they are."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from pages import texts
from PIL import Image
from run_results import make_panels, tissue
from skimage.segmentation import find_boundaries

from medgen.report import figures, plot_style


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def scored(seed: int = 0, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, many of them equal, and whether each frame is abnormal."""
    random = np.random.default_rng(seed)
    positive = random.random(count) < 0.3
    return np.round(random.normal(0.4 + 0.2 * positive, 0.2), 2), positive


def history(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"epoch": [1, 2, 3], "seconds": [1.0, 2.0, 3.0], **columns})


def test_charts_are_the_same_bytes_each_time_and_leave_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    score, positive = scored()
    assert figures.roc_curve(score, positive, (0.1, 0.8)) == figures.roc_curve(score, positive, (0.1, 0.8))
    assert dict(matplotlib.rcParams) == before


def test_a_chart_laid_out_before_it_is_saved_is_the_one_that_matplotlib_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = figures.roc_curve(*scored())
    monkeypatch.setattr(plot_style, "lay_out", lambda figure, kind: None)
    assert figures.roc_curve(*scored()) == laid_out


def test_charts_hold_no_address_but_the_names_of_their_own_language() -> None:
    root = ElementTree.fromstring(figures.roc_curve(*scored()))
    assert not [value for node in root.iter() for value in node.attrib.values() if "//" in value]


def test_a_picture_that_is_packed_fast_keeps_its_pixels_and_hardly_grows() -> None:
    picture = Image.fromarray(tissue(96, True, 0)[0])
    usual = BytesIO()
    picture.save(usual, "png", compress_level=6)
    packed = figures.to_png(picture)
    assert np.array_equal(pixels(packed), np.asarray(picture)) and len(packed) < 1.05 * len(usual.getvalue())


def test_drawing_needs_no_pyplot() -> None:
    code = "import sys; from medgen.report import figures; figures.roc_curve([1, 2], [0, 1])"
    code += "; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    sources = Path(figures.__file__).parents[1].rglob("*.py")
    assert [source.name for source in sources if "pyplot" in source.read_text(encoding="utf-8")] == []


def test_histogram_names_its_labels_their_counts_and_the_threshold() -> None:
    score, positive = scored()
    drawn = texts(figures.score_histogram(score, np.where(positive, "abnormal", "normal"), 0.512345))
    assert {f"normal ({(~positive).sum()})", f"abnormal ({positive.sum()})", "threshold 0.5123"} <= set(drawn)


def test_histogram_leaves_out_scores_that_are_not_finite() -> None:
    drawn = texts(figures.score_histogram([0.1, 0.2, np.nan, np.inf], ["normal"] * 4, None))
    assert "normal (2)" in drawn


@pytest.mark.parametrize("score", [[], [0.0], [0.5, 0.5, 0.5], [0.3, 0.1 + 0.2], [-1e9, 1e9], [-3.0, -2.0]])
def test_histogram_of_odd_scores_is_drawn(score: list[float]) -> None:
    assert "anomaly score" in texts(figures.score_histogram(score, [""] * len(score), None))


def test_histogram_of_scores_over_many_magnitudes_has_a_log_axis() -> None:
    drawn = texts(figures.score_histogram(np.logspace(-4, 3, 100), ["normal"] * 100, None))
    assert {"anomaly score (log scale)", "0.001", "100"} <= set(drawn)


def test_losses_share_a_chart_and_learning_rates_have_their_own() -> None:
    columns = {"train.kl": [3.0, 2, 1], "val.kl": [3.0, 2, 2], "lr.vae": [1e-3, 1e-3, 1e-6], "diagnosis.active": [0, 3, 6]}
    drawn = texts(figures.loss_curves(history(**columns)))
    assert [text for text in drawn if text in {"kl", "learning rate (log scale)", "diagnosis: active"}] == [
        "kl",
        "learning rate (log scale)",
        "diagnosis: active",
    ]
    assert {"training", "validation", "vae"} <= set(drawn)


def test_losses_that_were_never_measured_have_no_chart() -> None:
    drawn = texts(figures.loss_curves(history(**{"train.a": [1.0, 2, 3], "val.b": [None, np.nan, np.nan]})))
    assert "a" in drawn
    assert "b" not in drawn


def test_what_is_measured_every_few_epochs_is_one_line_with_a_mark_for_each() -> None:
    values = [9.0, None, None, 7.0, None, None, 4.0]
    table = pd.DataFrame({"epoch": range(1, 8), "seconds": 1.0, "diagnosis.fid": values})
    root = ElementTree.fromstring(figures.loss_curves(table))
    paths = [node.get("d", "") for node in root.iter() if node.get("style", "").startswith("fill: none; stroke: #")]
    assert any(path.count("L") == 2 and path.count("M") == 1 for path in paths)
    assert sum(node.tag.endswith("use") and "stroke" in node.get("style", "") for node in root.iter()) >= 3


@pytest.mark.parametrize("name", ["$\\frac{1}{0}$", "<script>&amp;", "a\nb", "\u202eabc", "\u8111", "x" * 300])
def test_names_of_losses_are_drawn_as_text(name: str) -> None:
    drawn = texts(figures.loss_curves(history(**{f"train.{name}": [1.0, 2, 3]})))
    plot_text = name.replace("\n", " ").replace("\u202e", " ").replace("\u8111", r"\u8111")
    assert (plot_text if len(plot_text) < 41 else "x" * 37 + "...").strip() in drawn


def test_heat_is_inferno_inside_and_grey_outside_the_valid_pixels() -> None:
    error = np.array([[0.0, 0.5, 1.0], [2.0, -1.0, np.nan]], dtype=np.float32)
    valid = np.array([[True, True, True], [True, True, False]])
    coloured = figures.heat(error, valid, 1.0)
    inferno = matplotlib.colormaps["inferno"]([0.0, 0.5, 1.0, 1.0, 0.0], bytes=True)[:, :3]
    np.testing.assert_allclose(coloured[valid], inferno, atol=1, rtol=0)
    assert np.ptp(coloured[~valid]) == 0


def test_error_scale_is_pooled_over_valid_pixels() -> None:
    panels = [*make_panels(32), *make_panels(48)]
    pooled = np.concatenate([panel.error[panel.valid] for panel in panels if panel.error is not None])
    assert figures.error_scale(panels) == pytest.approx(np.percentile(pooled, 99.5))


def test_contour_lies_on_the_border_of_the_mask_and_changes_nothing_else() -> None:
    panel = make_panels(96)[-1]
    shown = pixels(figures.reconstruction_panel(panel, 1.0)["original"])
    grown = panel.original.repeat(3, axis=0).repeat(3, axis=1)
    assert panel.mask is not None
    mask = panel.mask.repeat(3, axis=0).repeat(3, axis=1)
    changed = (shown != grown).any(axis=2)
    assert (changed <= mask).all()
    assert changed[find_boundaries(mask, mode="inner")].mean() > 0.99
    assert 3 < changed.sum() / find_boundaries(mask, mode="inner").sum() < 6


def test_reconstruction_is_shown_untouched() -> None:
    panel = make_panels(96)[-1]
    tiles = figures.reconstruction_panel(panel, 1.0)
    assert list(tiles) == ["original", "reconstruction", "error map"]
    np.testing.assert_array_equal(pixels(tiles["reconstruction"])[1::3, 1::3], panel.reconstruction)


@pytest.mark.parametrize("side", [8, 28, 64, 200, 256, 500])
def test_frames_of_any_size_are_shown_at_a_readable_size(side: int) -> None:
    assert 192 <= pixels(figures.reconstruction_panel(make_panels(side)[0], 1.0)["original"]).shape[0] <= 512


def test_grid_holds_each_frame_in_its_place() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    grid = pixels(figures.image_grid([[frames[0], frames[1]], [None, frames[3]]], ["original", "reconstruction"]))
    assert grid.shape == (22 + 2 * 132 + 4, 2 * 132 + 4, 3)
    np.testing.assert_array_equal(grid[26:154, 136:264], frames[1])
    np.testing.assert_array_equal(grid[158:286, 136:264], frames[3])
    assert (grid[158:286, 4:132] == 255).all()
    assert (grid[:22] < 128).any()


@pytest.mark.parametrize("title", ["", "x" * 300, "$a$\n<b>", "\u202e\u8111\udcff"])
def test_grid_takes_any_title_and_grey_frames(title: str) -> None:
    grey = np.full((28, 28), 7, dtype=np.uint8)
    assert (pixels(figures.image_grid([[grey]], [title]))[-20, 20] == 7).all()


def test_nine_samples_make_a_square_and_fewer_fit() -> None:
    samples = np.zeros((12, 48, 48, 3), dtype=np.uint8)
    assert pixels(figures.sample_grid(samples)).shape == (3 * 148 + 4, 3 * 148 + 4, 3)
    assert pixels(figures.sample_grid(samples[:2])).shape[1] == 2 * 148 + 4


def test_pictures_below_each_other_are_no_wider_than_asked_for() -> None:
    wide, small = np.zeros((50, 400, 3), dtype=np.uint8), np.full((30, 100, 3), 255, dtype=np.uint8)
    drawn = pixels(
        figures.stacked([figures.to_png(Image.fromarray(picture)) for picture in (wide, small)], ["a", "b"], width=200)
    )
    assert drawn.shape == (22 + 25 + 22 + 30, 200, 3)
    assert not drawn[22:47].any() and drawn[69:, :100].min() == 255
