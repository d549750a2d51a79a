"""Marks and findings by hand, and the FROC curve against one that goes threshold by threshold over regions of scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops
from writers import nifti, save

from medgen import api
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.metrics.froc import Marks, draw_sensitivities, find_marks, joined, sensitivities
from medgen.report.localisation.lesions import measure_lesions
from medgen.runs.localising.lesion_sizes import diameters

LEVEL = 0.5


def by_hand() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two frames: two findings, one hit twice, a mark that touches the other but lies beside it, and one in a normal frame."""
    maps, masks = np.zeros((2, 12, 12), np.float32), np.zeros((2, 12, 12), bool)
    masks[0, 1:5, 1:5] = masks[0, 7:11, 7:11] = True
    maps[0, 1, 1], maps[0, 4, 4] = 0.9, 0.8  # two marks on the first finding
    maps[0, 8, 5:8] = 0.95, 0.6, 0.6  # a mark that reaches into the second, but is highest beside it
    maps[1, 3, 3] = 0.7
    return maps, masks, np.ones_like(masks)


def blobs(frames: int = 10, side: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    masks = gaussian_filter(generator.normal(size=(frames, side, side)), (0, 2, 2)) > 0.22
    masks[6:] = False
    maps = gaussian_filter(generator.normal(size=masks.shape), (0, 1, 1)) + 0.3 * masks
    return maps.astype(np.float32), masks, generator.random(masks.shape) < 0.97


def test_each_mark_lies_where_its_highest_pixel_lies() -> None:
    marks = find_marks(*by_hand(), LEVEL)
    assert marks.lesion.tolist() == pytest.approx([0.9, -np.inf]) and marks.lesion_frame.tolist() == [0, 0]
    assert sorted(zip(marks.false_frame.tolist(), marks.false.round(2).tolist(), strict=True)) == [(0, 0.95), (1, 0.7)]
    assert marks.pixels.tolist() == [16, 16]


def test_the_share_of_findings_at_a_rate_of_false_marks_by_hand() -> None:
    marks = find_marks(*by_hand(), LEVEL)
    shares = sensitivities(marks, np.ones((1, 2)), [0.125, 0.5, 1.0])[0]  # the false 0.95 comes before the hit at 0.9
    assert shares.tolist() == [0.0, 0.5, 0.5]


def test_nothing_is_marked_where_no_pixel_is_valid() -> None:
    maps, masks, valid = by_hand()
    valid[0, :6, :6] = False
    marks = find_marks(maps, masks, valid, LEVEL)
    assert marks.lesion.tolist() == [-np.inf] and marks.pixels.tolist() == [16]


def test_blocks_of_frames_are_one_set_of_marks() -> None:
    maps, masks, valid = blobs()
    parts = [find_marks(maps[s], masks[s], valid[s], 0.4, s.start) for s in (slice(0, 4), slice(4, 10))]
    whole = find_marks(maps, masks, valid, 0.4)
    assert all(np.array_equal(one, other) for one, other in zip(joined(parts), whole, strict=True))


def threshold_by_threshold(maps: np.ndarray, masks: np.ndarray, valid: np.ndarray, level: float, rate: float) -> float:
    """The share of findings hit at the lowest score that keeps the rate, from regions of scikit-image."""
    marks, findings = [], 0
    for frame, (scores, truth, inside) in enumerate(zip(maps, masks, valid, strict=True)):
        lesions = label(truth, connectivity=2)
        findings += len(set(lesions[inside].tolist()) - {0})
        for region in regionprops(label((scores > level) & inside, connectivity=2)):
            place = max(map(tuple, region.coords.tolist()), key=lambda at: scores[at])
            marks.append((scores[place], (frame, lesions[place]) if lesions[place] else None))
    best = 0.0
    for cut in sorted({score for score, _ in marks}):
        taken = [hit for score, hit in marks if score >= cut]
        if sum(hit is None for hit in taken) <= rate * len(maps):
            best = max(best, len({hit for hit in taken if hit}) / findings)
    return best


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 2.0, 50.0])
def test_the_curve_is_that_of_every_threshold(rate: float) -> None:
    marks = find_marks(*blobs(), 0.4)
    assert sensitivities(marks, np.ones((1, 10)), [rate])[0, 0] == pytest.approx(threshold_by_threshold(*blobs(), 0.4, rate))


def test_a_frame_of_weight_two_counts_as_two_frames() -> None:
    maps, masks, valid = blobs()
    twice = [*range(10), 0, 6]
    weights = np.ones((1, 10))
    weights[0, [0, 6]] = 2
    ours = sensitivities(find_marks(maps, masks, valid, 0.4), weights)
    theirs = sensitivities(find_marks(maps[twice], masks[twice], valid[twice], 0.4), np.ones((1, 12)))
    np.testing.assert_allclose(ours, theirs)


def test_the_interval_holds_the_value_and_one_group_has_none() -> None:
    marks = find_marks(*blobs(), 0.4)
    found = measure_lesions(marks, 10, np.arange(10), 0.4, n_bootstrap=200)
    share = found["froc"][2]["sensitivity"]
    assert share["low"] < share["value"] < share["high"] and found["lesions"] == marks.lesion.size
    assert draw_sensitivities(marks, ["one"] * 10).shape == (0, 5)


def test_found_findings_are_counted_by_their_size_in_mm() -> None:
    marks = Marks(np.empty(0), np.empty(0, int), np.array([1.0, -np.inf, 2.0]), np.array([0, 0, 1]), np.array([5, 5, 5]))
    rows = measure_lesions(marks, 2, ["a", "b"], 0.5, np.array([4.0, 5.0, np.nan]))["sizes"]
    assert [(row["size"], row["found"], row["of"]) for row in rows] == [("0 to 5 mm", 1, 1), ("5 to 10 mm", 0, 1)]


def test_without_a_finding_there_is_no_curve() -> None:
    maps, _, valid = blobs()
    assert measure_lesions(find_marks(maps, np.zeros_like(valid), valid, 0.4), 10, np.arange(10), 0.4) == {}


def test_the_diameter_in_mm_is_that_of_the_spacing_that_the_file_states(tmp_path: Path) -> None:
    """Slices of 64 x 64 pixels, 0.5 mm wide and 0.25 mm high, are prepared at half their size: a pixel is 1.0 x 0.5 mm."""
    voxels = np.random.default_rng(0).integers(60, 200, (64, 64, 3)).astype(np.uint8)
    (tmp_path / "source" / "bad").mkdir(parents=True)
    nifti(tmp_path / "source" / "bad" / "scan.nii", voxels, np.diag([-0.5, -0.25, 3.0, 1.0]))
    data = api.prepare(tmp_path / "source", tmp_path / "data", PrepareSettings(size=32, overlay="none"))
    box = data.index.iloc[0]
    expected = 2 * np.sqrt(40 * ((box.right - box.left) / 32 * 0.5) * ((box.bottom - box.top) / 32 * 0.25) / np.pi)
    assert diameters(data, np.array([0]), np.array([40])) == pytest.approx([expected])


def test_pictures_have_no_size_in_mm(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for k in range(4):
        save(tmp_path / "source" / f"{k}.png", np.random.default_rng(k).integers(60, 200, (40, 40, 3), dtype=np.uint8))
    data = api.prepare(tmp_path / "source", tmp_path / "data", PrepareSettings(size=32))
    assert diameters(open_prepared(tmp_path / "data"), np.arange(len(data.index)), np.full(len(data.index), 9)) is None
