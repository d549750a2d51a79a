"""Data sets that a run looks at: what the training saw is never a test frame."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sources import folder
from writers import DRAW, save

from medgen import api
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.prepare import CROPPING
from medgen.errors import RunError
from medgen.runs.datasets import open_for, open_second, open_trained_on, shown_otherwise
from medgen.runs.run import Run, create_run
from medgen.runs.settings import RunSettings, fill_defaults


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose second domain is a share of the abnormal test frames of another data set."""
    for name, count in (("a", 8), ("b", 10), ("c", 12)):
        folder(tmp_path / name, "good", "bad", count=count)
    values = {"backend": "pixelda", "data": {"other": f"folder:{tmp_path / 'b'}", "pool_share": 0.5}}
    settings = RunSettings.parse(values, "test")
    data = open_dataset(f"folder:{tmp_path / 'a'}", settings.data)
    second = open_second(settings, data)
    return create_run(tmp_path / "run", fill_defaults(settings, data, second), data, "", second)


def frames_of_test(data: Prepared) -> set[str]:
    return set(data.index["path"].iloc[data.rows("test")])


def abnormal(data: Prepared) -> int:
    return int(((data.index["split"] == "test") & (data.index["label"] == "abnormal")).sum())


@pytest.mark.parametrize("name", ["a", "b"])
def test_frames_of_the_pool_are_not_scored_as_test_frames(run: Run, tmp_path: Path, name: str) -> None:
    given = f"folder:{tmp_path / name}"
    trained = open_trained_on(run) if name == "a" else open_second(run.settings, open_trained_on(run))
    assert trained is not None and abnormal(trained) in (4, 5)
    assert frames_of_test(open_for(run, given)) == frames_of_test(trained)


def test_of_a_data_set_that_the_training_never_saw_all_test_frames_are_scored(run: Run, tmp_path: Path) -> None:
    assert abnormal(open_for(run, f"folder:{tmp_path / 'c'}")) == 12


def prepared(folder: Path, low: int = 0, high: int = 4096, **settings: object) -> Prepared:
    """A set of 12-bit frames whose values lie between two numbers."""
    if not folder.exists():
        (folder / "normal").mkdir(parents=True)
        for k in range(4):
            save(folder / f"normal/{k}.png", DRAW.integers(low, high, (32, 32)).astype(np.uint16))
    out = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    return api.prepare(folder, out, PrepareSettings.parse({"size": 32, "channels": 1, "overlay": "none", **settings}, "test"))


def trained_on(data: Prepared, **settings: object) -> Run:
    """A run on a data set, without a training."""
    parsed = RunSettings.parse({"backend": "vae", **settings}, "test")
    return create_run(data.folder.with_name("run"), fill_defaults(parsed, data), data, "")


@pytest.mark.parametrize("other", ["window:0,1000", "full", "auto", "percentile:1,99"])
def test_frames_of_another_rule_of_intensity_are_refused(tmp_path: Path, other: str) -> None:
    run = trained_on(prepared(tmp_path / "a", intensity="window:100,900"))
    with pytest.raises(RunError, match="prepare it with --intensity window:100,900, or give raw frames"):
        open_for(run, prepared(tmp_path / "a", intensity=other).folder)


def test_the_same_window_written_otherwise_is_the_same(tmp_path: Path) -> None:
    run = trained_on(prepared(tmp_path / "a", intensity="window:100,900"))
    assert shown_otherwise(run, open_for(run, prepared(tmp_path / "a", intensity="window:100.0,9e2").folder)) == ""


def test_a_window_of_the_range_that_the_training_found_is_the_same(tmp_path: Path) -> None:
    own = prepared(tmp_path / "a")
    window = "window:{:g},{:g}".format(*own.settings.intensity_range or ())
    run = trained_on(own)
    assert shown_otherwise(run, open_for(run, prepared(tmp_path / "b", intensity=window).folder)) == ""


def test_another_range_that_was_found_is_a_warning_with_both(tmp_path: Path) -> None:
    own, theirs = prepared(tmp_path / "a"), prepared(tmp_path / "b", 1000, 60000)
    run = trained_on(own)
    old, new = ("{:g} and {:g}".format(*data.settings.intensity_range or ()) for data in (own, theirs))
    assert f"black and white are {new} in place of {old}" in shown_otherwise(run, open_for(run, theirs.folder))


def test_a_copy_of_the_data_set_of_the_training_is_shown_alike(tmp_path: Path) -> None:
    run = trained_on(prepared(tmp_path / "a"))
    assert shown_otherwise(run, open_for(run, prepared(tmp_path / "a").folder)) == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"overlay": "dark"}, "overlay is found by the rules dark in place of none"),
        ({"square": "pad"}, "the square is pad in place of crop"),
        ({"modality": "T2"}, "the modality is T2 in place of the usual one"),
    ],
)
def test_other_settings_of_the_picture_are_a_warning(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    run = trained_on(prepared(tmp_path / "a"))
    assert said in shown_otherwise(run, prepared(tmp_path / "a", **settings))


def test_raw_frames_are_shown_as_those_of_the_training(tmp_path: Path) -> None:
    run = trained_on(prepared(tmp_path / "a"))
    prepared(tmp_path / "b", 1000, 60000)
    shown = prepared(tmp_path / "b", intensity_range=run.origin.prepare.intensity_range)
    assert shown_otherwise(run, shown) == ""


def test_a_folder_that_is_read_as_it_is_has_no_rule_of_intensity(tmp_path: Path) -> None:
    run = trained_on(prepared(tmp_path / "a", intensity="window:100,900"))
    folder(tmp_path / "c", "good", count=4)
    data = open_dataset(f"folder:{tmp_path / 'c'}", run.settings.data)
    assert shown_otherwise(run, data) == ""


def test_frames_of_another_version_of_the_crop_are_a_warning(tmp_path: Path) -> None:
    run = trained_on(prepared(tmp_path / "a"))
    other = prepared(tmp_path / "b").folder / "prepare.toml"
    other.write_text(re.sub(r"cropping = \d+", "cropping = 4", other.read_text()))
    assert f"they are cropped by version 4 in place of {CROPPING}" in shown_otherwise(run, open_for(run, other.parent))
