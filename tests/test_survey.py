"""What holds for a whole data set: the range of its values against NumPy's percentiles, and the rules of its overlay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from untrained import make_run
from writers import DRAW, nifti, save, write_dicom

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.data.preparing.source_frames import read_frames
from medgen.data.preparing.survey import Survey, survey
from medgen.data.sources import read_source
from medgen.errors import ConfigError
from medgen.verbs.score import open_input

TWELVE = [DRAW.integers(800, 3000, (40, 50), dtype=np.uint16) for _ in range(4)]


def surveyed(source: Path, **settings: object) -> Survey:
    return survey(read_source(source), PrepareSettings.parse(settings), workers=1)


def deep(folder: Path, frames: list[NDArray[np.uint16]]) -> Path:
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames):
        save(folder / f"{k}.png", frame)
    return folder


def ends(frames: list[NDArray[np.uint16]], low: float = 0.5, high: float = 99.5) -> list[float]:
    return np.percentile(np.concatenate([frame.ravel() for frame in frames]).astype(np.float64), (low, high)).tolist()


def test_deep_frames_share_a_robust_range(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(ends(TWELVE))


def test_a_range_is_found_at_the_percentiles_that_are_asked_for(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    assert surveyed(tmp_path, intensity="percentile:5,80").settings.intensity_range == pytest.approx(ends(TWELVE, 5, 80))


def test_a_frame_is_shown_by_the_range_of_its_data_set(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    entries, (low, high) = read_source(tmp_path), ends(TWELVE)
    (frame,) = read_frames(entries[2], surveyed(tmp_path).settings)
    expected = np.clip((TWELVE[2].astype(np.float64) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(frame.picture.at(1)[..., 0] / 255, expected, atol=0.51 / 255)


@pytest.mark.parametrize("rule", ["window:-160,240", "full"])
def test_a_stated_rule_is_left_as_it_is(tmp_path: Path, rule: str) -> None:
    deep(tmp_path / "normal", TWELVE)
    assert surveyed(tmp_path, intensity=rule).settings.intensity_range == ((-160, 240) if rule != "full" else ())


def test_a_rule_that_is_none_is_no_setting() -> None:
    with pytest.raises(ConfigError, match="window:3,1"):
        PrepareSettings.parse({"intensity": "window:3,1"})


def test_eight_bits_need_no_range(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((20, 20), 9, np.uint8))
    assert surveyed(tmp_path).settings.intensity_range == ()


def test_a_window_of_its_own_needs_no_range(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", TWELVE[0], "MONOCHROME2", WindowCenter=2000, WindowWidth=900)
    assert surveyed(tmp_path).settings.intensity_range == ()


def test_frames_of_the_test_split_have_no_say(tmp_path: Path) -> None:
    deep(tmp_path / "train/normal", TWELVE[:2])
    deep(tmp_path / "test/normal", [frame * np.uint16(9) for frame in TWELVE[2:]])
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(ends(TWELVE[:2]))


def test_frames_that_are_not_normal_have_no_say(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE[:2])
    deep(tmp_path / "polyp", [frame * np.uint16(9) for frame in TWELVE[2:]])
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(ends(TWELVE[:2]))


def test_where_no_frame_is_normal_all_have_a_say(tmp_path: Path) -> None:
    deep(tmp_path / "unheard-of", TWELVE)
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(ends(TWELVE))


def test_one_hot_voxel_does_not_move_the_range(tmp_path: Path) -> None:
    voxels = DRAW.integers(0, 1000, (40, 40, 8)).astype(np.float32)
    voxels[3, 4, 5] = 60000
    nifti(tmp_path / "a.nii.gz", voxels)
    found = surveyed(tmp_path).settings.intensity_range
    assert found is not None and found[1] < 1000


def test_air_and_missing_values_do_not_move_the_range(tmp_path: Path) -> None:
    voxels = DRAW.integers(0, 1000, (40, 40, 8)).astype(np.float32)
    inside = voxels[10:].copy()
    voxels[:5], voxels[5:10] = -1000, np.nan
    nifti(tmp_path / "a.nii.gz", voxels)
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(np.percentile(inside, (0.5, 99.5)).tolist())


def test_floats_from_0_to_1_keep_their_convention(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DRAW.uniform(0.2, 0.4, (20, 30)).astype(np.float32))
    settings = surveyed(tmp_path).settings
    assert (settings.intensity_range, settings.intensity_convention) == ((), True)


def test_the_convention_holds_beside_others_that_need_a_range(tmp_path: Path) -> None:
    unit = DRAW.uniform(0.2, 0.4, (20, 30)).astype(np.float32)
    np.save(tmp_path / "unit.npy", unit)
    save(tmp_path / "twelve.png", TWELVE[0])
    settings = surveyed(tmp_path).settings
    (frame,) = read_frames(read_source(tmp_path)[1], settings)
    np.testing.assert_allclose(frame.picture.at(1)[..., 0] / 255, unit, atol=0.51 / 255)
    assert settings.intensity_range == pytest.approx(ends(TWELVE[:1]))


def test_floats_beyond_0_to_1_have_a_range(tmp_path: Path) -> None:
    values = DRAW.uniform(-3, 7, (20, 30)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(np.percentile(values, (0.5, 99.5)).tolist(), rel=1e-5)


def test_values_that_are_all_alike_have_no_range(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((20, 20), 700, np.uint16))
    assert surveyed(tmp_path).settings.intensity_range == ()


def test_a_file_that_cannot_be_read_has_no_say(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    (tmp_path / "normal/z.png").write_bytes(b"\x89PNG")
    assert surveyed(tmp_path).settings.intensity_range == pytest.approx(ends(TWELVE))


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    entries = read_source(tmp_path)
    assert survey(entries, PrepareSettings(), 1) == survey(entries, PrepareSettings(), 4)


def coloured(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(path, np.clip(np.array(colour) + DRAW.integers(-9, 9, (40, 50, 1)), 0, 255).astype(np.uint8))


MUCOSA, STAINED, GREY = (170, 90, 70), (190, 130, 180), (90, 90, 90)


@pytest.mark.parametrize(("colour", "rules"), [(MUCOSA, "endoscopy"), (STAINED, "dark"), (GREY, "dark")])
def test_the_colour_of_a_data_set_says_what_is_overlay(tmp_path: Path, colour: tuple[int, int, int], rules: str) -> None:
    coloured(tmp_path / "a.png", colour)
    assert surveyed(tmp_path).settings.overlay == rules


def test_frames_of_several_kinds_have_each_their_rules(tmp_path: Path) -> None:
    coloured(tmp_path / "a.png", MUCOSA)
    coloured(tmp_path / "b.png", GREY)
    assert surveyed(tmp_path).settings.overlay == "auto"


def test_stated_rules_stay(tmp_path: Path) -> None:
    coloured(tmp_path / "a.png", GREY)
    assert surveyed(tmp_path, overlay="endoscopy").settings.overlay == "endoscopy"


def test_a_run_shows_new_frames_by_its_own_range(tmp_path: Path) -> None:
    deep(tmp_path / "own/normal", [DRAW.integers(800, 3000, (40, 40), dtype=np.uint16) for _ in range(8)])
    data = prepare(tmp_path / "own", tmp_path / "data", PrepareSettings(size=40, channels=1), 1)
    assert data.settings.intensity_range is not None
    low, high = data.settings.intensity_range
    new = DRAW.integers(100, 60000, (40, 40), dtype=np.uint16)
    deep(tmp_path / "new", [new])
    scored, _ = open_input(make_run(str(tmp_path / "data"), tmp_path / "run"), tmp_path / "new", tmp_path / "out")
    expected = np.rint(np.clip((new.astype(np.float64) - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(scored.frames[0, ..., 0], expected)


def test_a_run_of_eight_bits_finds_no_range_in_new_frames(tmp_path: Path) -> None:
    for k in range(6):
        coloured(tmp_path / f"own/normal/{k}.png", MUCOSA)
    prepare(tmp_path / "own", tmp_path / "data", PrepareSettings(size=40, channels=1), 1)
    deep(tmp_path / "new", TWELVE[:1])
    scored, _ = open_input(make_run(str(tmp_path / "data"), tmp_path / "run"), tmp_path / "new", tmp_path / "out")
    assert scored.settings.intensity_range == () and scored.frames[0].max() <= 3000 / 65535 * 255 + 1


def test_few_grey_levels_of_a_deep_file_are_warned_of(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    data = prepare(tmp_path, tmp_path / "data", PrepareSettings(intensity="full"), 1)
    assert any("normal/3.png (10)" in warning for warning in data.warnings)


def test_a_robust_range_is_not_warned_of(tmp_path: Path) -> None:
    deep(tmp_path / "normal", TWELVE)
    assert not any("grey levels" in warning for warning in prepare(tmp_path, tmp_path / "data", workers=1).warnings)


def test_few_values_of_a_file_are_no_fault(tmp_path: Path) -> None:
    deep(tmp_path / "normal", [TWELVE[0] // 100 * 100])
    assert not any("grey levels" in warning for warning in prepare(tmp_path, tmp_path / "data", workers=1).warnings)


def test_a_bright_lesion_of_a_grey_frame_stays_valid(tmp_path: Path) -> None:
    y, x = np.mgrid[:120, :120]
    lesion = (x - 60) ** 2 + (y - 50) ** 2 < 6**2
    frame = np.where(lesion, 255, 90 + DRAW.integers(-9, 9, x.shape)).astype(np.uint8)
    for name, pixels in (("grey", frame), ("equal", np.repeat(frame[..., None], 3, axis=2))):
        (tmp_path / name / "lesion").mkdir(parents=True)
        (tmp_path / name / "masks/lesion").mkdir(parents=True)
        save(tmp_path / name / "lesion/a.png", pixels)
        save(tmp_path / name / "masks/lesion/a.png", lesion.astype(np.uint8))
        data = prepare(tmp_path / name, tmp_path / f"{name}-data", PrepareSettings(size=120), 1)
        assert data.masks is not None and data.valid[0][data.masks[0]].all() and data.masks[0].sum() == lesion.sum()


def test_a_finding_that_is_blanked_is_warned_of(tmp_path: Path) -> None:
    y, x = np.mgrid[:120, :120]
    spot = (x - 60) ** 2 + (y - 50) ** 2 < 6**2
    frame = np.where(spot[..., None], 255, np.array(MUCOSA)).astype(np.uint8)
    for folder, pixels in (("polyp", frame), ("masks/polyp", spot.astype(np.uint8))):
        (tmp_path / folder).mkdir(parents=True)
        PIL.Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    data = prepare(tmp_path, tmp_path / "data", PrepareSettings(size=120), 1)
    assert any(warning.startswith("1 of 1 findings are blanked") for warning in data.warnings)
