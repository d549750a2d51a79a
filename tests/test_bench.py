"""What `make bench` lists can be run: each script is there, and a run that a row needs can be made."""

from __future__ import annotations

import pytest
from benchmarks.bench import HERE, ROWS, RUNS, machine, shown


@pytest.mark.parametrize("name", ROWS)
def test_each_row_names_a_script_and_runs_that_exist(name: str) -> None:
    row = ROWS[name]
    assert (HERE / row.script).is_file() and set(row.needs) <= set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_each_run_has_its_recipe(name: str) -> None:
    assert (HERE.parents[1] / f"configs/{name}-hyperkvasir.toml").is_file()


def test_the_machine_is_described_without_its_name() -> None:
    known = machine()
    assert known["cores"] >= 1 and known["torch"] and not any("host" in key for key in known)


def test_ratios_are_listed_with_their_spread() -> None:
    printed = {"frames": 3, "a set": {"ratio": {"wall": {"median": 1.5, "low": 1.25, "high": 2.0}}}}
    (line,) = shown(printed, "prepare")
    assert line.split() == ["prepare", "a", "set", "ratio", "wall", "1.500", "(1.250", "to", "2.000)"]
