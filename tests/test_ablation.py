"""What each entry of a study changes against the one before it, of numbers that runs have been given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import ablation

STUDY = """
title = "two entries"
dataset = "mnist:x"
seeds = 2

[backends.B]
backend = "stylegan"

[backends.A]
backend = "stylegan"
"""


def write(study: Path, run: str, fids: dict[str, tuple[int, float]], path_length: float) -> None:
    """Lay down what a run of a study was measured to be: FID by split, each of so many samples."""
    (study / "runs" / run).mkdir(parents=True)
    (study / "pages" / run).mkdir(parents=True)
    entries: dict[str, Any] = {
        f"{split} {n}": {"extractor": "inception-2015", "split": split, "n_generated": n, "seed": 0, "fid": fid}
        for split, (n, fid) in fids.items()
    }
    entries["other"] = {"extractor": "efficientnet-lite0", "split": "train", "n_generated": 9999, "fd": 1.0}
    (study / "runs" / run / "distribution.json").write_text(json.dumps(entries))
    (study / "pages" / run / "metrics.json").write_text(json.dumps({"path_length": {"value": path_length}}))


def test_entries_are_compared_seed_by_seed_in_the_order_of_the_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    for run, fid in {"B-seed0": 100.0, "B-seed1": 120.0, "A-seed0": 90.0, "A-seed1": 112.0}.items():
        write(tmp_path, run, {"train": (2048, fid), "test": (4096, 7.0)}, fid / 10)
    ablation.main(tmp_path, [])
    found = json.loads(capsys.readouterr().out)
    assert [*found["fid"]] == ["B", "A"] and found["seeds"] == 2
    assert found["fid"]["B"]["values"] == [100.0, 120.0] and found["fid"]["A"]["mean"] == 101.0
    assert found["fid"]["A"]["change"]["values"] == [-10.0, -8.0] and "change" not in found["fid"]["B"]
    # Student's t for one degree of freedom: 12.706 standard errors to either side, of -10 and -8 one is 1
    assert found["fid"]["A"]["change"]["low"] == pytest.approx(-9 - 12.706, abs=1e-3)
    assert found["path_length"]["A"]["values"] == [9.0, 11.2]
    ablation.main(tmp_path, ["A", "B"])
    found = json.loads(capsys.readouterr().out)
    assert [*found["fid"]] == ["A", "B"] and found["fid"]["B"]["change"]["mean"] == 9.0
    with pytest.raises(SystemExit, match="the study has no C; it has B, A"):
        ablation.main(tmp_path, ["C"])


def test_a_run_that_nobody_measured_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    write(tmp_path, "B-seed0", {"test": (2048, 7.0)}, 1.0)
    with pytest.raises(SystemExit, match=r"B-seed0 has no FID of 2048 samples .*: medgen fid .*B-seed0 --split train --n 2048"):
        ablation.main(tmp_path, [])


def test_distances_of_other_numbers_of_samples_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path, "B-seed0", {"train": (4096, 7.0), "test": (2048, 8.0)}, 1.0)
    with pytest.raises(SystemExit, match="no FID of 2048 samples"):
        ablation.training_fid(tmp_path / "runs" / "B-seed0")
