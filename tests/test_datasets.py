"""Data sets that a run looks at: what the training saw is never a test frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources import folder

from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.runs.datasets import open_for, open_second, open_trained_on
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
