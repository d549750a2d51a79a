"""Verification finds each kind of change and no other; results of other data never replace a run's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import fail, medgen, succeed
from untrained import make_frames, make_run

from medgen import api
from medgen.config import read_toml, to_toml
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.files import digest_of, write_text
from medgen.runs.run import Run, open_run
from medgen.runs.scores import STAMP, score_rows, scores_folder

pytestmark = pytest.mark.usefixtures("blank_charts")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames F, their data set D, a run R on it with its report, and another data set O."""
    root = tmp_path_factory.mktemp("verify")
    make_frames(root / "F")
    for name, square in (("D", "pad"), ("O", "crop")):
        api.prepare(root / "F", root / name, PrepareSettings(size=32, square=square, overlay="none"))
    make_run(str(root / "D"), root / "R")
    api.report([root / "R"], root / "page")
    return root


def changed_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def one_frame(root: Path) -> None:
    frames = np.load(root / "D" / "frames.npy")
    frames[len(frames) // 3, 5, 5] ^= 1
    np.save(root / "D" / "frames.npy", frames)


def a_label(root: Path) -> None:
    table = pd.read_csv(root / "D" / "index.csv", dtype=str, keep_default_na=False)
    table.assign(finding=["other", *table["finding"][1:]]).to_csv(root / "D" / "index.csv", index=False)


def lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith("verify: ")]  # progress


def a_source(root: Path) -> None:
    changed_bytes(next((root / "F").rglob("*.png")))


def weights(root: Path) -> None:
    changed_bytes(root / "R" / "model.safetensors")


def scores(root: Path) -> None:
    changed_bytes(root / "R" / "scores" / "scores.csv")


def leaks(root: Path) -> None:
    (root / "D" / "leaks.csv").write_text("path,split,other,other_split,reason\n\n")


def no_rejected(root: Path) -> None:
    (root / "D" / "rejected.csv").unlink()


CHANGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a frame": (one_frame, "data set", "not what was prepared: '"),
    "a label": (a_label, "data set", "index.csv was changed"),
    "a table of leaks": (leaks, "data set", "leaks.csv was changed"),
    "a missing table": (no_rejected, "data set", "is damaged (rejected.csv is missing)"),
    "a source file": (a_source, "data set", "source files with other content"),
    "weights": (weights, "run", "not those that its calibration was made with"),
    "scores": (scores, "scores", "scores.csv was changed"),
}


def test_what_nobody_changed_is_as_it_was_written(world: Path) -> None:
    told = lines(succeed("verify", world / "R"))
    assert [line.partition(" ")[0] for line in told] == ["data", "run", "scores"]
    assert all(line.endswith(": as medgen wrote it") for line in told) and "48 frames, 48 source files" in told[0]


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_found_where_it_is(name: str, world: Path) -> None:
    change, kind, sentence = CHANGES[name]
    kept = {part: shutil.copytree(world / part, world / f"kept-{part}") for part in ("F", "D", "R")}
    try:
        change(world)
        result = medgen("verify", world / "R")
    finally:
        for part, copy in kept.items():
            shutil.rmtree(world / part)
            copy.rename(world / part)
    wrong = [line for line in lines(result.output) if not line.endswith(": as medgen wrote it")]
    assert result.exit_code == 1 and any(line.startswith(kind) and sentence in line for line in wrong)
    assert {line.split(" /")[0] for line in wrong} <= {kind, "scores"}


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "is neither a prepared data set nor a run nor a study" in fail("verify", tmp_path)


def test_an_evaluation_on_other_data_leaves_the_runs_own_results(world: Path) -> None:
    run = world / "R"
    before = {path: digest_of(path) for path in run.rglob("*")}
    assert open_prepared(world / "O").digest != open_prepared(world / "D").digest
    page = api.evaluate(run, world / "O", world / "other")
    assert {path: digest_of(path) for path in run.rglob("*")} == before
    assert (page.parent / "scores" / "scores.toml").is_file()


def test_a_run_that_cannot_be_written_is_reported_elsewhere(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(world / "D", tmp_path / "D")
    run = Path(shutil.copytree(world / "R", tmp_path / "R"))
    shutil.rmtree(run / "scores")
    before = {path: digest_of(path) for path in run.rglob("*")}
    monkeypatch.setattr(Run, "writable", lambda self: False)
    page = api.report([run], tmp_path / "page")
    assert (page.parent / "scores" / "scores.csv").is_file() and {path: digest_of(path) for path in run.rglob("*")} == before


def test_what_a_run_that_cannot_be_written_holds_is_read_there_as_long_as_it_is_of_its_weights(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = open_run(Path(shutil.copytree(world / "R", tmp_path / "R"))), open_prepared(world / "D")
    held = run.folder / "scores"
    limit = api.set_threshold(run.folder, 0.5)["value"]
    before = {path: digest_of(path) for path in held.rglob("*")}
    monkeypatch.setattr(Run, "writable", lambda self: False)
    monkeypatch.setattr("medgen.runs.scores.os.access", lambda path, mode: False)
    assert scores_folder(run, data, "test", tmp_path / "out") == held
    table = score_rows(run, data, data.rows("test"), held).table
    assert (table["abnormal"] == (table["score"] > limit)).all() and before == {path: digest_of(path) for path in held.rglob("*")}
    write_text(held / STAMP, to_toml(read_toml(held / STAMP) | {"weights": "of another training"}))
    assert scores_folder(run, data, "test", tmp_path / "out") == tmp_path / "out" / "scores"


def test_scores_that_were_changed_by_hand_are_made_anew(world: Path) -> None:
    table = world / "R" / "scores" / "scores.csv"
    before = table.read_bytes()
    table.write_bytes(before.replace(b",abnormal,", b",normal,", 1))
    assert table.read_bytes() != before
    api.report([world / "R"], world / "page")
    assert table.read_bytes() == before
