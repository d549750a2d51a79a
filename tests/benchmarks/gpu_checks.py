"""Parts of `gpu.py`: the machine, the tests of the contract on a device, and each backend trained, scored and resumed there."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree

import torch
from gpu_parts import ROOT, Outcome, Setting
from tiny import DEVICE, NARROW, SIZE, after, batch, make_fit
from torch import Tensor

from medgen import api, registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import OnePassFit
from medgen.engine import checkpoint
from medgen.engine.fit import STATE, WEIGHTS, Fit
from medgen.engine.score import score_batches
from medgen.testing import class_settings
from medgen.types import Batch

STEPS_AN_EPOCH, EPOCHS = 2, 3
HALF = STEPS_AN_EPOCH * EPOCHS // 2  # falls into the middle of an epoch
CLOSE = 1e-3  # share of the largest score by which a float32 score on the device may differ from the one on the CPU: sums are in
# another order, some 1e-6 a layer, and a code or neighbour chosen otherwise moves a score by one cell of many
AGAIN = 10.0  # times as much as two uninterrupted trainings differ, a resumed one may, where the device is not deterministic


def machine(setting: Setting) -> Outcome:
    """Return what the numbers were measured on."""
    numbers = {"torch": torch.__version__, "python": sys.version.split()[0], "cores": os.cpu_count() or 0}
    if setting.device == "cpu":
        return Outcome(f"CPU, {torch.get_num_threads()} threads; torch {torch.__version__}", {"card": "none", **numbers})
    if not torch.cuda.is_available():
        return Outcome("", numbers, "no CUDA device is visible to PyTorch; try --device cpu --small")
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown"
    card = torch.cuda.get_device_name()
    numbers |= {"card": card, "driver": driver, "cuda": torch.version.cuda or "", "cudnn": torch.backends.cudnn.version() or 0}
    return Outcome(f"{card}, driver {driver}; torch {torch.__version__}, CUDA {torch.version.cuda}", numbers)


def contract(setting: Setting) -> Outcome:
    """Run the tests that hold every backend to the contract on the device."""
    report = setting.out / "contract.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default",
               "--basetemp", str(setting.out / "contract"), "--junitxml", str(report), "tests/test_backends.py"]  # fmt: skip
    report.unlink(missing_ok=True)
    try:
        subprocess.run(command, cwd=ROOT, capture_output=True, timeout=max(1.0, setting.seconds_left))
    except subprocess.TimeoutExpired:
        return Outcome("", problem="the tests were not through when the time was over")
    if not report.is_file():
        return Outcome("", problem="pytest has written no result; try MEDGEN_TEST_DEVICE=cuda pytest tests/test_backends.py")
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = [case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    problem = f"{len(failed)} of {len(cases)} tests failed: {', '.join(failed[:3])}{' ...' if failed[3:] else ''}"
    return Outcome(f"{len(cases)} tests passed", {"tests": len(cases), "failed": failed}, problem if failed else "")


def backend(name: str, setting: Setting) -> Outcome:
    """Train a backend for a few steps, none of which waits for the device; score there and on the CPU, save and load, resume."""
    folder = setting.out / name
    with deterministic():
        whole = trained(name, folder / "whole")
    scores = {"device": scored(whole, DEVICE), "cpu": scored(deepcopy(whole), torch.device("cpu"))}
    checkpoint.save(folder / WEIGHTS, whole.state_dict(), {})
    loaded = narrowed(name, seed=1)
    checkpoint.load_weights(loaded, folder / WEIGHTS)
    scores["loaded"] = scored(loaded, DEVICE)
    size = float(scores["cpu"].abs().max().clamp_min(1e-12))
    off = float((scores["device"] - scores["cpu"]).abs().max()) / size
    resumed_by, allowed = resume_gap(name, folder)
    waits = waiting(name, folder / "waiting")
    numbers = {"score_off": off, "resume_gap": resumed_by, "allowed_gap": allowed}
    text = f"score off by {off:.0e}, resumed weights by {resumed_by:.0e}"
    problems = [
        *(["a score is not a finite number"] if not all(bool(score.isfinite().all()) for score in scores.values()) else []),
        *([f"score off by {off:.1e}, {CLOSE} allowed"] if not off <= CLOSE else []),
        *(["loaded weights score otherwise"] if not torch.equal(scores["loaded"], scores["device"]) else []),
        *([f"resumed weights off by {resumed_by:.1e}, {allowed:.1e} allowed"] if not resumed_by <= allowed else []),
        *([f"a training step waits for the device: {waits}"] if waits else []),
    ]
    return Outcome(text, numbers, "; ".join(problems))


def narrowed(name: str, seed: int = 0) -> Backend:
    """Return a narrow backend with fresh weights on the device."""
    torch.manual_seed(seed)
    settings = {**class_settings(name), **api.recipe(name, None, NARROW.get(name, [])).model}
    return registry.create(name, settings, SIZE, 3).to(DEVICE)


def trained(name: str, folder: Path, stop_after: int | None = None, go_on: bool = False) -> Backend:
    """Train in `folder`, to the end or for so many steps, from the start or from the state that lies there."""
    model = narrowed(name)
    epochs = 1 if isinstance(model, OnePassFit) else EPOCHS
    fit = make_fit(folder, model, STEPS_AN_EPOCH * EPOCHS // epochs, epochs=epochs, precision="auto", early_stopping=0)
    if go_on:
        fit.resume()
    fit.run(lambda row: None, stop=(lambda: False) if stop_after is None else after(stop_after))
    return model


class Unwaiting(Fit):
    """A training whose steps may not wait for a GPU: who asks for a number within one gets an error."""

    def _step(self, batch: Batch, epochs: float) -> None:
        gpu = self.fabric.device.type == "cuda"
        if gpu:
            torch.cuda.set_sync_debug_mode("error")
        try:
            super()._step(batch, epochs)
        finally:
            if gpu:
                torch.cuda.set_sync_debug_mode("default")


def waiting(name: str, folder: Path) -> str:
    """Return what in a training step waits for the device, one line, or "" where nothing does; on a CPU nothing can tell."""
    model = narrowed(name)
    try:
        make_fit(folder, model, 2 * STEPS_AN_EPOCH, kind=Unwaiting, epochs=1, precision="auto", early_stopping=0).run(
            lambda row: None
        )
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return str(error).splitlines()[0]
    return ""


def scored(model: Backend, device: torch.device) -> Tensor:
    """Return the scores (4,) of four frames, on the CPU."""
    (found,) = score_batches(model, [batch()], device, scores_alone=True)
    return found.scores.score


def resume_gap(name: str, folder: Path) -> tuple[float, float]:
    """Return by how much the weights of a training that was stopped half-way are off, and by how much they may be.

    They may be off by nothing where a device is deterministic. PyTorch has kernels on a GPU that are not (sums by atomic
    additions, whose order is chance); where two uninterrupted trainings differ, a resumed one may differ `AGAIN` times as much.
    """
    with deterministic():
        trained(name, folder / "parts", stop_after=HALF)
        trained(name, folder / "parts", go_on=True)
        found = gap(weights(folder / "whole"), weights(folder / "parts"))
        if found == 0:
            return 0.0, 0.0
        trained(name, folder / "again")
    return found, AGAIN * gap(weights(folder / "whole"), weights(folder / "again"))


def weights(folder: Path) -> dict[str, Tensor]:
    """Return the last weights of a training."""
    return {name: value for name, value in checkpoint.load(folder / STATE)[0].items() if name.startswith("model/")}


def gap(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Return the largest difference between tensors of the same names; infinite where names or numbers are missing."""
    if left.keys() != right.keys():
        return math.inf
    gaps = [(left[name].double() - right[name].double()).abs().max() for name in left if left[name].numel()]
    largest = float(torch.stack(gaps).max()) if gaps else 0.0
    return math.inf if math.isnan(largest) else largest


@contextmanager
def deterministic() -> Iterator[None]:
    """Inside the ``with``, take deterministic kernels wherever PyTorch has them, and put up with the others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*deterministic.*")
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)
