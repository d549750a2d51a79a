"""The script behind `make gpu`, of which a machine without a GPU can try the smallest pieces: one backend, no timing."""

from __future__ import annotations

import importlib
import json
import math
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from medgen import registry


def module(name: str, patch: pytest.MonkeyPatch) -> Any:
    patch.syspath_prepend(Path(__file__).parent / "benchmarks")
    return importlib.import_module(name)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return module("gpu", monkeypatch)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return module("gpu_parts", monkeypatch).Setting("cpu", True, tmp_path, math.inf)


def test_a_backend_passes_its_checks(monkeypatch: pytest.MonkeyPatch, setting: Any) -> None:
    found = module("gpu_checks", monkeypatch).backend("cvae", setting)
    assert found.problem == "" and found.numbers["resume_gap"] == 0.0 and "score off by 0e+00" in found.text


def test_a_resumed_training_that_ends_elsewhere_is_a_problem(monkeypatch: pytest.MonkeyPatch, setting: Any) -> None:
    checks = module("gpu_checks", monkeypatch)
    monkeypatch.setattr("medgen.engine.checkpoint.restore_random_states", lambda tensors: None)
    assert "resumed weights off by" in checks.backend("cvae", setting).problem


def test_a_gap_is_the_largest_difference_of_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    gap = module("gpu_checks", monkeypatch).gap
    left = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3])}
    assert gap(left, {"a": torch.tensor([1.5, 2.0]), "b": torch.tensor([1])}) == 2.0
    assert gap(left, {"a": left["a"]}) == gap(left, {**left, "a": torch.tensor([math.nan, 2.0])}) == math.inf


def test_kernels_that_overlap_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module("gpu_speed", monkeypatch).covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


def test_every_backend_is_a_part_and_so_are_two_recipes(gpu: Any) -> None:
    parts = gpu.all_parts()
    assert {f"backend {name}" for name in registry.names()} < {*parts}
    recipes = [Path(__file__).parents[1] / "configs" / f"{part.split()[1]}.toml" for part in parts if part.startswith("recipe ")]
    assert len(recipes) == 2 and all(recipe.is_file() for recipe in recipes)


def test_a_part_that_fails_is_a_row_and_the_next_goes_on(gpu: Any, setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(part: str, setting: Any) -> Any:
        if part == "backend bad":
            raise ValueError("no luck\nat all")
        return gpu.Outcome("fine")

    monkeypatch.setattr(gpu, "find", find)
    assert gpu.work(["backend bad", "backend good"], setting, setting.out / "rows.jsonl") == 0
    bad, good = gpu.read_rows(setting.out / "rows.jsonl")
    assert (bad["result"], bad["text"], good["result"]) == ("failed", "ValueError: no luck", "passed")


def test_a_part_for_which_too_little_time_is_left_is_skipped(gpu: Any, setting: Any) -> None:
    late = setting._replace(deadline=time.time() + 3, small=False)
    assert gpu.row_of("speed endovae", late)["result"] == "skipped"


def test_a_part_that_ends_its_process_is_a_row_and_the_next_goes_on(
    gpu: Any, setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_process(parts: list[str], setting: Any, rows: Path) -> int:
        for part in parts:
            if part == "b":
                return -11
            with rows.open("a") as file:
                file.write(json.dumps(gpu.row(part, "passed", "")) + "\n")
        return 0

    monkeypatch.setattr(gpu, "run_process", run_process)
    rows = gpu.run_parts(["a", "b", "c"], setting)
    assert [(one["part"], one["result"]) for one in rows] == [("a", "passed"), ("b", "failed"), ("c", "passed")]
    assert "status -11" in rows[1]["text"]


def test_what_the_end_of_the_time_cuts_off_is_named(gpu: Any, setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "run_process", lambda parts, setting, rows: None)
    assert [one["result"] for one in gpu.run_parts(["a", "b"], setting)] == ["failed", "skipped"]


@pytest.mark.parametrize(("part", "result", "passes"), [("recipe a", "skipped", True), ("speed a", "skipped", False)])
def test_a_recipe_alone_may_be_left_out(gpu: Any, part: str, result: str, passes: bool) -> None:
    assert gpu.passes(gpu.row(part, result, "")) is passes


@pytest.mark.parametrize(("result", "status"), [("passed", 0), ("failed", 1)])
def test_the_exit_status_tells_whether_every_part_passed(
    gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, status: int
) -> None:
    monkeypatch.setattr(gpu, "run_parts", lambda parts, setting: [gpu.row(part, result, "why") for part in parts])
    assert gpu.main([str(tmp_path / "out"), "--device", "cpu"]) == status
    assert f"{result:<8}" in (tmp_path / "out" / "table.txt").read_text()
    assert json.loads((tmp_path / "out" / "numbers.json").read_text())["parts"][0]["text"] == "why"


def test_a_folder_of_something_else_is_left_alone(gpu: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SystemExit, match="holds something else"):
        gpu.main([str(tmp_path)])
    assert (tmp_path / "thesis.tex").exists()
