"""A finished run on frames of another data set: the promise, the shift, what the training has seen; the run stays as it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from commands import fail, succeed
from PIL import Image
from untrained import make_frames, make_run

from medgen import api
from medgen.config import read_toml, to_toml
from medgen.data.prepared import Prepared, PrepareSettings, open_prepared
from medgen.data.scorable import NO_PIXEL
from medgen.files import digest_of, write_csv, write_text
from medgen.report.evaluate import evaluate as measure
from medgen.report.external import LookedAt, measure_shift, shift_in_words, verdict
from medgen.report.run_metrics import ThresholdMetrics
from medgen.runs.run import NORMALS, Run, open_run
from medgen.runs.scores import STAMP, read_stored
from medgen.verbs.external.evaluate import left_in_other_splits
from medgen.verbs.external.own_test import own_test
from medgen.verbs.external.places import unseen_places, unseen_shares
from medgen.verbs.external.seen import seen_in_training

pytestmark = pytest.mark.usefixtures("blank_charts")
PREPARE = PrepareSettings(size=32, overlay="none")


def state(folder: Path) -> dict[Path, tuple[str, int]]:
    """Return what each file below a folder holds, and when it was written."""
    return {path: (digest_of(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run R on a data set D, its scores, and brighter frames B of two centres, two of which are training frames of R."""
    root = tmp_path_factory.mktemp("external")
    make_frames(root / "F")
    api.prepare(root / "F", root / "D", PREPARE, 1)
    run = make_run(str(root / "D"), root / "R")
    api.score(run.folder, root / "D", root / "own", pictures=False)
    shutil.copytree(root / "own", run.folder / "scores")
    (root / "B").mkdir()
    random, lines = np.random.default_rng(1), ["file,label,finding,split,centre"]
    for k in range(30):
        label, finding = ("normal", "good") if k < 20 else ("abnormal", "bad")
        if k < 2:
            shutil.copy(root / "F" / "train" / "good" / f"{k:02}.png", root / "B" / f"{k:02}.png")
        else:
            coarse = Image.fromarray(random.integers(100, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((32, 32), Image.Resampling.NEAREST).save(root / "B" / f"{k:02}.png")
        lines.append(f"{k:02}.png,{label},{finding},train,{('north', 'south')[k % 2]}")
    (root / "B" / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "before.txt").write_text(repr(state(root / "R")))
    (root / "told.txt").write_text(succeed("evaluate", root / "R", root / "B", "--out", root / "E", "--by", "centre"))
    return root


@pytest.fixture(scope="module")
def metrics(world: Path) -> dict[str, Any]:
    return json.loads((world / "E" / "metrics.json").read_text())


def test_the_run_stays_as_it_is(world: Path, metrics: dict[str, Any]) -> None:
    assert metrics["detection"] and repr(state(world / "R")) == (world / "before.txt").read_text()


def test_frames_that_a_manifest_puts_into_training_are_measured_too(metrics: dict[str, Any]) -> None:
    assert metrics["frames"] == {"normal": 20, "abnormal": 10, "unlabelled": 0, "groups": 30}


def test_frames_of_the_training_are_found_among_the_new_ones(world: Path, metrics: dict[str, Any]) -> None:
    assert metrics["external"]["seen"] == {"frames": 2, "exact": 2, "reason": ""}
    pairs = pd.read_csv(world / "E" / "duplicates.csv")
    assert pairs["other"].tolist() == ["00.png", "01.png"]
    assert pairs["path"].tolist() == ["D/train/good/00.png", "D/train/good/01.png"]


def test_the_model_is_measured_without_frames_that_its_training_has_seen(metrics: dict[str, Any]) -> None:
    without = metrics["audit"]["models"]["R"]["without_duplicates"]
    assert (without["normal"], without["abnormal"]) == (18, 10)


def test_brighter_frames_differ_in_their_brightness(world: Path) -> None:
    shift = pd.read_csv(world / "E" / "shift.csv").set_index(["trait", "frames"])
    brightness = shift.loc[("brightness", "normal")]
    assert brightness["shifted"] and brightness["median"] > brightness["own_median"] + 20
    assert not shift.loc[("width", "normal"), "shifted"]


def test_the_mean_normal_frame_is_that_of_the_training(world: Path, metrics: dict[str, Any]) -> None:
    shift = pd.read_csv(world / "E" / "shift.csv").set_index(["trait", "frames"])
    trained = np.stack([np.array(Image.open(path), float) for path in sorted((world / "F" / "train" / "good").iterdir())]).mean(0)
    new = [np.array(Image.open(world / "B" / f"{k:02}.png"), float) for k in range(20)]
    distances = [np.sqrt(((frame - trained) ** 2).mean()) for frame in new]
    assert shift.loc[("mean_distance", "normal"), "median"] == pytest.approx(np.median(distances))
    assert metrics["audit"]["baseline"]["normal"] == 20


def test_each_centre_has_its_own_measures_and_promise(world: Path, metrics: dict[str, Any]) -> None:
    groups = pd.read_csv(world / "E" / "groups.csv")
    centres = groups[groups["by"] == "centre"]
    assert centres[["name", "normal", "abnormal"]].to_numpy().tolist() == [["north", 10, 5], ["south", 10, 5]]
    assert centres["flagged_normal"].tolist() == [entry["flagged_normal"]["value"] for entry in metrics["groups"]["centre"]]


def test_measures_stand_beside_those_of_the_runs_own_test(world: Path) -> None:
    measures = pd.read_csv(world / "E" / "measures.csv").set_index(["section", "measure"])
    auroc = measures.loc[("detection", "auroc")]
    assert auroc["difference"] == pytest.approx(auroc["value"] - auroc["own_test"])


def test_the_command_says_plainly_whether_the_promise_holds(world: Path, metrics: dict[str, Any]) -> None:
    told, page = (world / "told.txt").read_text(), (world / "E" / "report.html").read_text()
    assert metrics["external"]["verdict"] in told and metrics["external"]["verdict"] in page
    assert "External validation: R on B" in page and "Samples" not in page


def test_scores_are_those_of_the_score_command(world: Path) -> None:
    api.score(world / "R", world / "B", world / "scored", pictures=False)
    a, b = (pd.read_csv(world / name / "scores.csv").set_index("path") for name in ("E", "scored"))
    pd.testing.assert_frame_equal(a[["score", "abnormal"]], b.loc[a.index, ["score", "abnormal"]])


def test_a_run_without_its_data_set_is_compared_by_the_scores_that_it_holds(world: Path, tmp_path: Path) -> None:
    run = shutil.copytree(world / "R", tmp_path / "R")
    (tmp_path / "B").mkdir()
    for k in (10, 11, 12, 13, 14):
        shutil.copy(world / "B" / f"{k:02}.png", tmp_path / "B")
    api.evaluate(run, tmp_path / "B", tmp_path / "E", assume="normal")
    external = json.loads((tmp_path / "E" / "metrics.json").read_text())["external"]
    assert [entry["trait"] for entry in external["shift"]] == ["score"] and external["seen"]["reason"]
    assert external["own_frames"]["normal"] == 8


def test_held_scores_are_decided_by_the_threshold_of_today(world: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(world / "R", tmp_path / "R")
    held = read_stored(folder / "scores" / "scores.csv").astype({"abnormal": "boolean"})
    held.loc[0, ["score", "quantile", "abnormal"]] = pd.NA
    held.loc[0, "status"] = NO_PIXEL
    write_csv(folder / "scores" / "scores.csv", held)
    assert own_test(open_run(folder), tmp_path / "out", "auto", "torch").frames is None  # not what was scored
    stamp = read_toml(folder / "scores" / STAMP) | {"scores": digest_of(folder / "scores" / "scores.csv")}
    write_text(folder / "scores" / STAMP, to_toml(stamp))
    limit = api.set_threshold(folder, 0.5)["value"]
    run = open_run(folder)
    found = own_test(run, tmp_path / "out", "auto", "torch").frames
    assert found is not None and found.scores["abnormal"].isna().tolist() == [True] + 15 * [False]
    assert (found.scores["abnormal"][1:] == (held["score"][1:] > limit)).all()
    assert measure(found.scores, None, run.threshold())["unscored"]["normal"] == (held["label"][0] == "normal")


def test_frames_that_a_run_was_recalibrated_on_are_found_among_the_new_ones(tmp_path: Path) -> None:
    index = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "split": "test", "digest": ["1", "2", ""]})
    data = cast(Prepared, SimpleNamespace(index=index, kind="folder"))
    run = cast(Run, SimpleNamespace(folder=tmp_path, recalibrated_on="frames"))
    assert seen_in_training(run, None, data, np.arange(3)).counts["frames"] == 0  # as nobody noted which files they were
    write_csv(tmp_path / NORMALS, pd.DataFrame({"path": ["x.png", "y.png"], "group": "", "digest": ["2", ""]}))
    pairs, counts = seen_in_training(run, data, data, np.arange(3))
    assert (counts["frames"], counts["exact"]) == (1, 1) and counts["reason"]  # of a set that is no prepared one
    assert pairs.to_numpy().tolist() == [["normals.csv/x.png", "normals of the run", "b.png", "test", "exact"]]


def test_the_runs_own_data_set_is_refused(world: Path, tmp_path: Path) -> None:
    assert "is the data set that" in fail("evaluate", world / "R", world / "D", "--out", tmp_path / "E")


def test_a_page_within_the_run_is_refused(world: Path) -> None:
    answer = fail("evaluate", world / "R", world / "B", "--out", world / "R" / "page")
    assert "lies in the run" in answer and not (world / "R" / "page").exists()


def test_a_report_on_other_data_names_the_command_for_it(world: Path, tmp_path: Path) -> None:
    api.prepare(world / "B", tmp_path / "other", PREPARE.model_copy(update={"all_test": True}), 1)
    answer = fail("report", world / "R", "--data", tmp_path / "other", "--out", tmp_path / "page")
    assert f"`medgen evaluate {world / 'R'} {tmp_path / 'other'}`" in answer


def test_a_column_that_is_not_there_is_refused_before_anything_is_scored(world: Path, tmp_path: Path) -> None:
    answer = fail("evaluate", world / "R", world / "B", "--out", tmp_path / "E", "--by", "center")
    assert "did you mean 'centre'" in answer and not (tmp_path / "E" / "scores").exists()


def test_labelled_frames_in_other_splits_are_spoken_of(world: Path) -> None:
    data = open_prepared(world / "D")
    assert left_in_other_splits(data, data.rows("test")).startswith("32 labelled frames of this data set stand in other splits")
    assert left_in_other_splits(data, data.rows()) == ""


def test_tissue_where_hardly_any_training_frame_shows_some_is_spoken_of(world: Path) -> None:
    data = open_prepared(world / "D")
    trained, tested = data.rows("train"), data.rows("test")
    assert unseen_places(data, data, tested) == "" and unseen_places(None, data, tested) == ""
    valid = np.array(data.valid)
    valid[:] = True
    valid[trained, :8, :8] = False  # the training's field of view is cut in a corner, as are all new ones but two
    valid[tested[2:], :8, :8] = False
    cut = replace(data, valid=valid)
    share = 64 / data.size**2
    assert unseen_shares(cut, cut, tested).tolist() == pytest.approx([share, share] + [0.0] * (len(tested) - 2))
    told = unseen_places(cut, cut, tested)
    assert told.startswith(f"2 of {len(tested)} frames show tissue where fewer than one in a hundred training frames did")
    assert f"at most {100 * share:.0f} % of what they show" in told
    valid[trained[0], :8, :8] = True  # one of fewer than a hundred is enough
    assert unseen_places(cut, cut, tested) == ""


# what is said


def threshold(count: int, of: int, value: float, low: float, high: float) -> ThresholdMetrics:
    """A threshold that promises 5 %, with its outcome."""
    promise = {"value": value, "low": low, "high": high, "promised": 0.05, "kept": low <= 0.05}
    return {"value": 1.0, "false_alarm_rate": 0.05, "flagged_normal": {"count": count, "of": of}, "promise": promise}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("outcome", "within", "words"),
    [
        (
            (52, 100, 0.52, 0.418, 0.621),
            False,
            "NOT within the promise: 52 of 100 normal frames are flagged, 52.0 % (41.8 to 62.1 %)",
        ),
        ((0, 20, 0.0, 0.0, 0.168), True, "So few frames cannot rule out a rate of up to 16.8 %"),
        ((1, 400, 0.0025, 0.0001, 0.0138), True, "Within the promise: 1 of 400"),
    ],
)
def test_the_verdict_is_in_plain_words(outcome: tuple[int, int, float, float, float], within: bool, words: str) -> None:
    told = verdict(threshold(*outcome), outcome[1])
    assert told[0] is within and words in told[1]


def test_without_normal_frames_nothing_is_said_of_the_promise() -> None:
    within, words = verdict({"value": 1.0, "false_alarm_rate": 0.1, "flagged_normal": {"count": 0, "of": 0}}, 0)
    assert within is None and "nobody can tell" in words


def looked_at(scores: list[float], groups: list[str], label: str = "normal", **traits: list[float]) -> LookedAt:
    table = pd.DataFrame({"id": range(len(scores)), "label": label, "group": groups, "score": scores})
    return LookedAt(table, pd.DataFrame(traits, index=table.index))


def test_scores_without_a_value_in_common_are_as_far_apart_as_can_be() -> None:
    (entry,) = measure_shift(looked_at([1, 2, 3, 4, 5], [*"abcde"]), looked_at([6, 7, 8, 9, 10], [*"abcde"]))
    assert entry["distance"] == 1 and entry["p"] == pytest.approx(2 / 252)  # two of the ways to choose 5 of 10
    assert shift_in_words([entry]) == "These frames differ from the run's own test frames: anomaly score of normal frames."


def test_frames_of_one_group_count_once() -> None:
    here, own = looked_at([1.0] * 50, ["video"] * 50), looked_at([2.0] * 50, [*map(str, range(50))])
    (entry,) = measure_shift(here, own)
    assert (entry["groups"], entry["own_groups"], entry["p"], entry["shifted"]) == (1, 50, None, False)


def test_p_values_are_those_of_all_rows_together() -> None:
    same, other = [float(k) for k in range(8)], [float(k) for k in range(20, 28)]
    rows = measure_shift(looked_at(same, [*"abcdefgh"], red=same), looked_at(same, [*"abcdefgh"], red=other))
    red = next(row for row in rows if row["trait"] == "red")
    assert red["p"] is not None and red["p_holm"] == pytest.approx(2 * red["p"])


def test_labels_that_only_one_side_has_are_compared_all_with_all() -> None:
    (entry,) = measure_shift(looked_at([1.0] * 5, [*"abcde"], "abnormal"), looked_at([1.0] * 5, [*"abcde"]))
    assert entry["frames"] == "all" and entry["distance"] == 0
