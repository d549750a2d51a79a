"""The table of what the course reports had, and the commands that measure it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.reproduce import NUMBER, REPORTS, again, main, run, systems, table
from untrained import make_frames, make_run

ROOT = REPORTS.parent


def test_the_page_holds_the_table_of_the_published_files() -> None:
    assert table() in (REPORTS / "README.md").read_text(encoding="utf-8")


def test_every_number_is_measured_again_by_recipes_and_scripts_that_there_are() -> None:
    for one in systems():
        assert {match["file"] for match in NUMBER.finditer(one["measured"])} == {*one["again"]}
        words = " ".join(one["commands"]).split()
        assert all((ROOT / word).is_file() for word in words if word.startswith(("configs/", "tests/")))
        assert (REPORTS / one["page"]).is_file()


def system(command: str) -> dict[str, Any]:
    return {"name": "A b", "commands": [command], "measured": "{x.json:a/b:.1f}", "again": {"x.json": "new.json:k"}}


def test_a_system_runs_once_and_its_new_numbers_are_read(tmp_path: Path) -> None:
    source = tmp_path / "count"
    source.write_text("import sys, json, pathlib; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text() + '#1')\n")
    source.write_text(source.read_text() + "print(json.dumps({'k': {'a': {'b': 2.04}}}))")
    one = system(f"python {source} {source} > OUT/new.json")
    run(one, tmp_path)
    run(one, tmp_path)
    assert source.read_text().count("#1") == 2  # the script's own, and one more
    assert again(one, tmp_path) == "2.0" and json.loads((tmp_path / "a-b" / "new.json").read_text())["k"]


def test_a_distance_is_read_by_its_extractor_alone(tmp_path: Path) -> None:
    one = system("true") | {"measured": "{x.json:fid:.1f}", "again": {"x.json": "run/distribution.json:inception-2015"}}
    (tmp_path / "a-b" / "run").mkdir(parents=True)
    kept = {"efficientnet-lite0 test dsprites:FILE": {"fid": 1.0}, "inception-2015 train dsprites:FILE": {"fid": 2.0}}
    (tmp_path / "a-b" / "run" / "distribution.json").write_text(json.dumps(kept))  # as `medgen fid` leaves it in a run
    assert again(one, tmp_path) == "2.0"


def test_nothing_is_measured_of_a_training_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = system("medgen train vae DATA --out OUT/run")
    one["commands"].append("python measure.py > OUT/new.json")
    make_run(make_frames(tmp_path / "frames"), tmp_path / "a-b" / "run")
    called: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: called.append(words))
    with pytest.raises(SystemExit, match="a-b: the training was stopped; the same command goes on with it"):
        run(one, tmp_path)
    assert [Path(words[0]).name for words in called] == ["medgen"] and not (tmp_path / "a-b" / "done").exists()


def test_a_system_that_fails_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["benchmarks.reproduce"], "systems", lambda: [system("python -c 'raise SystemExit(3)'")])
    with pytest.raises(SystemExit, match="1 system failed"):
        main(tmp_path, [])
    assert "a-b" in (said := capsys.readouterr().err) and str(tmp_path / "a-b" / "log") in said


def test_a_name_that_there_is_not_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"there is no system 'EndoVAF'; known: endovae, .*pixelda, .*gan, "):
        main(tmp_path, ["EndoVAF"])
