"""What `make bench` lists can be run: each script is there, and a run that a row needs can be made."""

from __future__ import annotations

import re

import pytest
from benchmarks.bench import HERE, ROWS, RUNS, machine, shown
from benchmarks.timing import median_bounds


@pytest.mark.parametrize("name", ROWS)
def test_each_row_names_a_script_and_runs_that_exist(name: str) -> None:
    row = ROWS[name]
    assert (HERE / row.script).is_file() and set(row.needs) <= set(RUNS)


def test_each_script_that_measures_a_speed_beside_a_rival_is_a_row() -> None:
    """The scripts for a GPU have a page of their own."""
    measuring = {path.name for path in HERE.glob("*.py") if "print_result(" in path.read_text(encoding="utf-8")}
    assert {name for name in measuring - {"timing.py"} if not name.startswith("gpu")} <= {row.script for row in ROWS.values()}


def test_each_rival_has_its_script() -> None:
    names = re.findall(r'Rival\("(\w+\.py)"', (HERE / "training_rivals.py").read_text(encoding="utf-8"))
    assert len(names) == 6 and all((HERE / "rivals" / name).is_file() for name in names)


def test_an_exponent_is_listed_with_its_standard_error() -> None:
    (line,) = shown({"training a step": {"size": {"seconds": {}, "exponent": 1.75, "standard_error": 0.0625}}}, "costs")
    assert line.split()[:6] == ["costs", "training", "a", "step", "size", "1.750"] and line.endswith("standard error 0.062)")


def test_the_median_of_all_rounds_lies_between_two_of_those_that_were_measured() -> None:
    """Ranks 14 and 28 of 41 and 2 and 10 of 11, as tables of the sign test have them; of five rounds, the extremes."""
    found = [median_bounds([float(rank) for rank in range(1, count + 1)]) for count in (41, 11, 5)]
    assert found == [(14, 28), (2, 10), (1, 5)]


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
