"""Studies of several data sets and training sizes: which frames are drawn, what is made, resumed and refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import succeed

from medgen import api
from medgen.data.native.shots import with_shots
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import Prepared, open_prepared, read_table
from medgen.errors import ConfigError
from medgen.files import write_csv
from medgen.runs.datasets import open_for, open_trained_on
from medgen.runs.run import open_run
from medgen.verbs.study.over_datasets import ComparedOverDatasets
from medgen.verbs.study.settings import StudySettings

STUDY = """
shots = [4]
[datasets]
first = "first"
second = "second"
[common]
data.batch_size = 8
train.epochs = 1
train.panel_epochs = 0
model.widths = [8]
[backends.vae]
"""
pytestmark = pytest.mark.usefixtures("blank_charts", "no_comparison_pdf", "few_draws")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same frames prepared twice, a study of both, and its page."""
    folder = tmp_path_factory.mktemp("datasets")
    make_phantom(folder / "frames", PhantomSettings(train=24, val=20, test_normal=4, test_abnormal=4, width=160, height=160))
    succeed("prepare", folder / "frames", "--out", folder / "first", "--size", 16)
    shutil.copytree(folder / "first", folder / "second")
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def compared(root: Path) -> ComparedOverDatasets:
    done = api.compare_over_datasets(api.read_study(root / "study.toml"), root / "S")
    assert done is not None
    return done


@pytest.fixture(scope="module")
def data(root: Path) -> Prepared:
    return open_prepared(root / "first")


def drawn(data: Prepared, shots: int, seed: int = 0) -> set[str]:
    """Return the paths of the training frames that are kept."""
    kept = with_shots(data, shots, seed)
    return set(kept.index["path"].iloc[kept.rows("train")])


def test_as_many_frames_are_drawn_as_are_asked_for(data: Prepared) -> None:
    assert [len(drawn(data, shots)) for shots in (1, 4, 16, 99, 0)] == [1, 4, 16, 24, 24]


def test_fewer_frames_lie_within_more(data: Prepared) -> None:
    assert drawn(data, 2) < drawn(data, 4) < drawn(data, 16)


def test_frames_come_from_as_many_groups_as_there_are(data: Prepared) -> None:
    groups = data.index.set_index("path")["group"]
    assert len(set(groups[[*drawn(data, 3)]])) == groups[data.index["path"].iloc[data.rows("train")]].nunique() == 3


def test_another_seed_draws_other_frames(data: Prepared) -> None:
    assert drawn(data, 4, seed=0) != drawn(data, 4, seed=1)


def test_validation_and_test_frames_stay(data: Prepared) -> None:
    np.testing.assert_array_equal(with_shots(data, 4, 0).rows("val", "test"), data.rows("val", "test"))


def test_the_draw_looks_at_no_label(data: Prepared) -> None:
    exchanged = replace(data, index=data.index.assign(label="abnormal", finding="polyp"))
    assert drawn(exchanged, 4) == drawn(data, 4)


def test_each_data_set_and_size_is_a_study_of_its_own(compared: ComparedOverDatasets, root: Path) -> None:
    pages = sorted(page.relative_to(root / "S").as_posix() for page in (root / "S" / "datasets").glob("*/*/report.html"))
    assert pages == [f"datasets/{name}/{size}/report.html" for name in ("first", "second") for size in ("4",)]


def test_the_page_has_a_result_of_each_data_set_and_size(compared: ComparedOverDatasets) -> None:
    found = [(cell["dataset"], cell["train_frames"]) for cell in compared.metrics["cells"]]
    assert found == [("first", 4), ("second", 4)]


def test_a_run_on_few_frames_looks_at_the_same_ones_later(compared: ComparedOverDatasets, root: Path) -> None:
    run = open_run(root / "S" / "datasets" / "first" / "4" / "runs" / "vae-seed0")
    assert len(open_trained_on(run).rows("train")) == len(open_for(run, root / "first").rows("train")) == 4


def test_another_data_set_that_such_a_run_looks_at_is_whole(compared: ComparedOverDatasets, root: Path) -> None:
    run = open_run(root / "S" / "datasets" / "first" / "4" / "runs" / "vae-seed0")
    succeed("prepare", root / "frames", "--out", root / "third", "--size", 16, "--seed", 1, "--copies", 1)
    assert len(open_for(run, root / "third").rows("train")) == 24


def test_all_runs_are_verified(compared: ComparedOverDatasets, root: Path) -> None:
    assert [checked.kind for checked in api.verify(root / "S")].count("run") == 2


def test_a_study_of_few_frames_and_several_seeds_can_be_called_again(root: Path) -> None:
    study = next(iter(api.read_study(root / "study.toml").model_copy(update={"seeds": 2}).parts())).study
    api.compare(study, root / "T")
    weights = {path: path.stat().st_mtime_ns for path in root.glob("T/runs/vae-seed*/model.safetensors")}
    api.compare(study, root / "T")
    assert len(weights) == 2 and all(path.stat().st_mtime_ns == time for path, time in weights.items())


def test_labels_of_one_data_set_touch_no_score_and_no_other_data_set(compared: ComparedOverDatasets, root: Path) -> None:
    shutil.copytree(root / "first", root / "exchanged")
    index = read_table(root / "first" / "index.csv")
    other = index["label"].map({"normal": "abnormal", "abnormal": "normal"})
    write_csv(root / "exchanged" / "index.csv", index.assign(label=index["label"].where(index["split"] != "test", other)))
    study = api.read_study(root / "study.toml")
    datasets = {**study.datasets, "first": str(root / "exchanged")}
    again = api.compare_over_datasets(study.model_copy(update={"datasets": datasets, "shots": (4,)}), root / "again")
    assert again is not None
    scores = {
        (folder, name): read_table(root / folder / "datasets" / name / "4" / "scores.csv")["score"].tolist()
        for folder in ("S", "again")
        for name in ("first", "second")
    }
    assert scores["S", "first"] == scores["again", "first"] and scores["S", "second"] == scores["again", "second"]
    before, after = (
        {cell["dataset"]: cell["value"] for cell in done.metrics["cells"] if cell["shots"] == "4"} for done in (compared, again)
    )
    assert after["second"] == before["second"]
    assert after["first"] == pytest.approx(1 - before["first"])


def test_the_study_that_is_written_repeats_it(compared: ComparedOverDatasets, root: Path) -> None:
    again = api.read_study(root / "S" / "study.toml")
    assert (again.shots, [part.study.dataset for part in again.parts()]) == ((4,), [str(root / "first"), str(root / "second")])
    assert json.loads((root / "S" / "metrics.json").read_text())["sizes"] == ["4"]


def test_sizes_go_from_all_frames_to_the_fewest_and_are_settings_of_every_entry(root: Path) -> None:
    study = api.read_study(root / "study.toml").model_copy(update={"shots": (4, "all", 16)})
    found = [(part.folder, part.study.recipes()["vae"].data.shots) for part in study.parts()[:3]]
    assert found == [("datasets/first/all", 0), ("datasets/first/16", 16), ("datasets/first/4", 4)]


def test_a_study_of_several_is_refused_where_one_is_meant(root: Path) -> None:
    with pytest.raises(ConfigError, match="compare_over_datasets"):
        api.compare(api.read_study(root / "study.toml"), root / "other")


@pytest.mark.parametrize(
    "wrong", [{}, {"dataset": "a", "datasets": {"b": "c"}}, {"dataset": "a", "shots": [4, 4]}, {"dataset": "a", "shots": [0]}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        StudySettings.parse({**wrong, "backends": {"vae": {}}}, "study")
