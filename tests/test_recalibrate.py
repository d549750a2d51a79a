"""A run is recalibrated on few normal frames of another place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import fail, succeed
from PIL import Image
from untrained import SMALL, make_frames, make_run

from medgen import api
from medgen.data.prepared import PrepareSettings, read_table
from medgen.engine.checkpoint import load
from medgen.errors import DataError, MedgenError, RunError
from medgen.files import write_csv
from medgen.report.guarantee import guarantee, promised
from medgen.report.run_metrics import Threshold
from medgen.runs.group_scores import GROUP, grouped_scores
from medgen.runs.run import Run, open_run
from medgen.verbs.score import Split

pytestmark = pytest.mark.usefixtures("blank_charts")

DFM = ("model.sides=[32]", "data.batch_size=8")


def other_place(folder: Path, count: int = 24, seed: int = 1) -> Path:
    """Make frames that are brighter than those of `make_frames`, and less colourful."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for k in range(count):
        coarse = Image.fromarray(random.integers(128, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((32, 32), Image.Resampling.NEAREST).save(folder / f"{k:02}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Frames of two places, and runs that were trained at the first."""
    root = tmp_path_factory.mktemp("places")
    frames = make_frames(root / "here")
    return {
        "vae": make_run(frames, root / "vae", settings=SMALL).with_facts(finished="for tests").folder,
        "dfm": make_run(frames, root / "dfm", "dfm", DFM).with_facts(finished="for tests").folder,
        "there": other_place(root / "there"),
        "new": other_place(root / "new", 6, seed=2),
    }


@pytest.fixture(scope="module")
def local(place: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs, recalibrated on the frames of the second place."""
    root = tmp_path_factory.mktemp("local")
    return {name: api.recalibrate(place[name], place["there"], root / name) for name in ("vae", "dfm")}


def scores(run: Path, frames: Path, out: Path, split: Split | None = None) -> pd.DataFrame:
    return api.score(run, frames, out, pictures=False, split=split).table


def test_a_threshold_that_moves_alone_is_the_conformal_one_of_the_scores_there(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    raw = np.sort(scores(place["vae"], place["there"], tmp_path / "scores")["score"])
    assert local["vae"].threshold()["value"] == raw[int(np.ceil(25 * 0.95)) - 1]
    assert local["vae"].calibration()["scores"] == raw.tolist()


def test_scores_of_a_trained_backend_stay_and_its_decisions_are_those_of_the_new_threshold(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    before, after = (scores(run, place["new"], tmp_path / run.parent.name) for run in (place["vae"], local["vae"].folder))
    np.testing.assert_array_equal(before["score"], after["score"])
    assert (after["abnormal"] == (after["score"] > local["vae"].threshold()["value"])).all()


def test_a_frame_is_scored_by_what_the_others_made_of_the_run(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    for path in sorted(place["there"].iterdir())[1:]:
        (others / path.name).symlink_to(path)
    without = api.recalibrate(place["dfm"], others, tmp_path / "without")
    left_out = pd.read_csv(local["dfm"].folder / "normals.csv").set_index("path")["score_after"]
    found = scores(without.folder, place["there"], tmp_path / "scores").set_index("path")["score"]
    assert left_out["00.png"] == pytest.approx(found["00.png"], rel=1e-5)


def test_a_one_pass_detector_moves_and_takes_frames_of_the_new_place_for_more_normal(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    facts = json.loads((local["dfm"].folder / "recalibration.json").read_text())
    assert 0 < facts["shares"]["model"] < 1 and not facts["exact"]
    assert promised(local["dfm"].threshold()) == facts["after"]["promised"] == "about 5 %"
    assert promised(local["vae"].threshold()) == "at most 5 %"  # whose scores stayed
    before, after = (scores(run, place["new"], tmp_path / run.parent.name) for run in (place["dfm"], local["dfm"].folder))
    assert before["abnormal"].all() and not after["abnormal"].any()


def test_without_a_move_weights_and_scores_stay(place: dict[str, Path], tmp_path: Path) -> None:
    run = api.recalibrate(place["dfm"], place["there"], tmp_path / "run", move=False)
    own, kept = (load(folder / "model.safetensors")[0] for folder in (place["dfm"], run.folder))
    assert all(torch.equal(weights, kept[name]) for name, weights in own.items())
    assert json.loads((run.folder / "recalibration.json").read_text())["exact"]


def test_the_run_stays_as_it_is_and_is_named_with_its_digest(place: dict[str, Path], tmp_path: Path) -> None:
    def files() -> dict[str, tuple[int, bytes]]:
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in place["dfm"].iterdir() if path.is_file()}

    before = files()
    run = api.recalibrate(place["dfm"], place["there"], tmp_path / "run")
    assert files() == before
    assert run.about["recalibrated_from_weights"] == open_run(place["dfm"]).weights_digest()
    assert (run.folder / run.about["recalibrated_from"]).resolve() == place["dfm"].resolve()


def test_the_new_run_reports_ranks_and_moves_its_threshold_like_any_other(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    page = api.report([local["vae"].folder], tmp_path / "page")
    assert "recalibrated on 24 normal frames of another place" in page.read_text()
    assert api.rank(local["vae"].folder, place["new"], tmp_path / "ranks").is_file()
    expected = local["vae"].calibration()["scores"][int(np.ceil(25 * 0.8)) - 1]
    assert api.set_threshold(local["vae"].folder, 0.2)["value"] == expected
    api.set_threshold(local["vae"].folder, 0.05)


def test_the_rate_is_the_one_that_the_threshold_was_last_put_at(place: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(place["vae"], tmp_path / "run")
    api.set_threshold(tmp_path / "run", 0.2)
    assert api.recalibrate(tmp_path / "run", place["there"], tmp_path / "local").threshold()["false_alarm_rate"] == 0.2


def test_groups_count_once_each(place: dict[str, Path], tmp_path: Path) -> None:
    raw = other_place(tmp_path / "raw", 30)
    table = pd.DataFrame({"file": sorted(path.name for path in raw.iterdir()), "label": "normal", "split": "val"})
    table.assign(group=[f"patient {k // 2}" for k in range(30)]).to_csv(raw / "manifest.csv", index=False)
    data = api.prepare(raw, tmp_path / "data", PrepareSettings(size=32)).folder
    with pytest.raises(MedgenError, match=r"0\.05 needs 19 groups .*got 15; these reach 0\.0625"):
        api.recalibrate(place["vae"], data, tmp_path / "run")
    run = api.recalibrate(place["vae"], data, tmp_path / "run", false_alarm_rate=0.1)
    highest = np.sort(scores(run.folder, data, tmp_path / "scores", split="val")["score"])[::-1]
    assert run.threshold()["value"] == highest[1]  # (1 + 1 / 2) / (15 + 1) is below 0.1, and (1 + 2 / 2) / (15 + 1) above
    assert (run.threshold()["normals"], run.threshold()["groups"]) == (30, 15)


def test_groups_are_decided_by_the_frames_that_the_threshold_is_of(place: dict[str, Path], tmp_path: Path) -> None:
    api.prepare(place["new"], tmp_path / "data", PrepareSettings(size=32, assume="normal", all_test=True), 1)
    groups = {f"{k:02}.png": f"patient {k // 2}" for k in range(24)}
    api.prepare(place["there"], tmp_path / "there", PrepareSettings(size=32, assume="normal", all_test=True), 1)
    index = read_table(tmp_path / "there" / "index.csv")
    write_csv(tmp_path / "there" / "index.csv", index.assign(group=[groups[path] for path in index["path"]]))
    run = api.recalibrate(place["vae"], tmp_path / "there", tmp_path / "local", split="test", false_alarm_rate=0.25)
    scored = api.score(run.folder, tmp_path / "data", tmp_path / "scores", pictures=False)
    pairs = [f"video {k // 2}" for k in range(6)]
    found = grouped_scores(
        run, scored, lambda data, rows: {GROUP: pairs[: len(rows)]}, lambda data, rows: pytest.fail("not asked")
    )
    table = pd.read_csv(run.folder / "normals.csv")
    highest = np.sort(table.groupby("group")["score_after"].max())
    decided = found[GROUP]["ways"][0]["decisions"]
    assert decided["groups"] == 12 and decided["value"] == highest[9]  # ceil(13 x 0.75) = 10th of 12


def test_the_test_frames_of_the_run_itself_are_refused(place: dict[str, Path], tmp_path: Path) -> None:
    own = Path(f"folder:{place['there'].parent / 'here'}")
    with pytest.raises(DataError, match=r"is what .* is measured on; choose --split val, or give frames of another place"):
        api.recalibrate(place["vae"], own, tmp_path / "run", split="test")


def test_where_scores_moved_no_bound_is_promised() -> None:
    moved: Threshold = {"value": 1.0, "false_alarm_rate": 0.05, "normals": 24, "groups": 12, "method": "jackknife"}
    said = guarantee(moved)
    assert "24 normal frames of 12 groups" in said and "about 5 % are flagged" in said and "at most" not in said


def test_where_groups_count_once_each_the_guarantee_says_so() -> None:
    known: Threshold = {"value": 1.0, "false_alarm_rate": 0.05, "normals": 48, "groups": 24}
    grouped: Threshold = {**known, "by_group": True}
    assert "(split conformal prediction, in the mean" in guarantee(known)
    assert "(hierarchical conformal prediction, each group counts once, in the mean" in guarantee(grouped)


def test_fewer_than_twenty_frames_are_refused(place: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 19 normal frames to recalibrate on; expected 20 or more"):
        api.recalibrate(place["vae"], other_place(tmp_path / "few", 19), tmp_path / "run")
    assert not (tmp_path / "run" / "run.toml").exists()


def test_a_rate_that_so_few_frames_cannot_promise_is_refused_with_the_one_that_they_can(
    place: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(MedgenError, match=r"0\.01 needs 99 .*got 24; these reach 0\.04"):
        api.recalibrate(place["vae"], place["there"], tmp_path / "run", false_alarm_rate=0.01)


def test_a_recalibrated_run_is_neither_recalibrated_nor_trained_again(
    place: dict[str, Path], local: dict[str, Run], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="recalibrated itself"):
        api.recalibrate(local["vae"].folder, place["there"], tmp_path / "run")
    with pytest.raises(RunError, match="cannot be trained on"):
        api.resume(local["vae"].folder, epochs=3)


def test_the_run_itself_is_no_place_for_the_new_one(place: dict[str, Path]) -> None:
    assert "not empty" in fail("recalibrate", place["vae"], "--normals", place["there"], "--out", place["vae"])


def test_the_command_says_what_changed_and_what_is_promised(place: dict[str, Path], tmp_path: Path) -> None:
    said = succeed("recalibrate", place["dfm"], "--normals", place["there"], "--out", tmp_path / "run", "--threshold-only")
    facts = json.loads((tmp_path / "run" / "recalibration.json").read_text())
    assert f"{facts['before']['flagged']} of 24" in said and "at most 5 %" in said
    assert "24 normal frames" in said and "Only the threshold moved." in said
    page = (tmp_path / "run" / "recalibration.html").read_text()
    assert page.count("<figure") == 2 and "Before and after" in page
