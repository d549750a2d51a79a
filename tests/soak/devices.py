"""Train each backend on one and on two devices: `python tests/soak/devices.py OUT` writes OUT/devices.json.

Two processes on CPUs, joined by gloo, share each batch of 8 frames; one process has it whole. Over 50 steps with validations, and
of detectors that fit in one pass over their weights: the largest difference, as a share of all losses of its step. In double
precision it says whether both do the same; in float32, beside that of one process whose first weights are changed by 1e-7, what
rounding makes of it.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import worlds
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from tiny import NARROW, narrow

from medgen.contract.backend import Backend
from medgen.engine.checkpoint import load
from medgen.engine.fit import WEIGHTS
from medgen.engine.several.place import Place
from medgen.engine.several.processes import joined
from medgen.files import read_json, write_json
from medgen.ranks import ALONE, Ranks

BACKENDS = sorted({*NARROW, "endovae"})
ONE_PASS = ("dfm", "padim", "patchcore")
STEPS = 25  # in each of two epochs
NUDGE = 1e-7
ALLOWED = 1e-4  # of all losses of a step
# Parts of the learning rates of two whose rounding grows: at whole ones `gan` comes to 1.0e-4, `cyclegan` to 1.5e-3.
SLOWER = {"cyclegan": 0.01, "gan": 0.1}
FILE = "devices.json"


def numbers(name: str, ranks: Ranks, double: bool, nudge: float = 0.0) -> Sequence[Mapping[str, float]]:
    """Return the losses of a training, a row a step and an epoch; of a detector that fits in one pass, sums of its weights."""

    def fresh() -> Backend:
        model = narrow(name).double() if double else narrow(name)
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(1 + nudge * torch.rand(weights.shape, generator=draw))
        return model

    with tempfile.TemporaryDirectory() as folder:
        once = name in ONE_PASS
        rows = worlds.curve(fresh, Path(folder), 8 if once else STEPS, ranks, 1 if once else 2, SLOWER.get(name, 1.0))
        if not once or ranks.rank:
            return rows
        weights, _ = load(Path(folder) / WEIGHTS)
        return [{f"train.{key}": float(value.double().abs().sum()) for key, value in weights.items()}]


def difference(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> float:
    """Return the largest difference of losses, as a share of all losses of their row."""
    largest = 0.0
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        for kind in ("train.", "val."):
            names = [name for name in first if name.startswith(kind) and name != "val.loss"]
            if names:
                whole = sum(abs(first[name]) for name in names)
                share = max(abs(first[name] - second[name]) for name in names) / whole
                largest = math.inf if math.isnan(share) else max(largest, share)
    return largest


def compare(rank: int, port: int, double: bool, out: Path) -> None:
    """Train each backend that is not in the file yet, on one device and as one of two."""
    for name in ("rank_zero", "distributed"):
        logging.getLogger(f"lightning_fabric.utilities.{name}").setLevel(logging.WARNING)
    kind = "double" if double else "float32"
    missing = [name for name in BACKENDS if kind not in read_json(out / FILE).get(name, {})]
    how = worlds.double_precision() if double else nullcontext()
    with joined(Place(0, rank, 2, 1, "127.0.0.1", port, True), "cpu", "float32") as (_, ranks), how:
        for name in missing:
            together = numbers(name, ranks, double)
            if rank:
                continue
            alone = numbers(name, ALONE, double)
            facts = {kind: difference(alone, together), "rates": SLOWER.get(name, 1.0)}
            if not double:
                facts["nudged"] = difference(alone, numbers(name, ALONE, double, NUDGE))
            found = read_json(out / FILE)
            write_json(out / FILE, {**found, name: {**found.get(name, {}), **facts}})
            sys.stdout.write(f"{name}: {facts}\n")
            sys.stdout.flush()


def main(out: Path) -> None:
    """Compare in double precision, then in float32, each in processes of its own, as nets are kept in the precision they have."""
    for double in (True, False):
        port, context = find_free_network_port(), multiprocessing.get_context("spawn")
        both = [context.Process(target=compare, args=(rank, port, double, out)) for rank in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
    found = read_json(out / FILE)
    if bad := [name for name in BACKENDS if not found.get(name, {}).get("double", math.inf) <= ALLOWED]:
        raise SystemExit(f"two devices do not do what one does: {', '.join(bad)}")


if __name__ == "__main__":
    from benchmarks.usage import arguments

    main(*map(Path, arguments(__doc__)))
