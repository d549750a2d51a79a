"""How far an adapted classifier is from one that was told the labels of its domain.

python tests/benchmarks/adaptation.py RUN [EPOCHS]

RUN: of `pixelda`, between two data sets whose frames correspond (MNIST and MNIST-M). A third classifier, the same net with the
same optimizer and batches, is trained for EPOCHS (as many as the run's) on the labelled training frames of the second domain. It
is the upper bound: its labels are read here and never by the run. Prints as JSON, for each domain, the share of frames that each
classifier names rightly: over all frames of the data set, and over its test frames, which are the same digits in both domains.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medgen.backends._gan import signed
from medgen.backends.pixelda import Model, task_loss
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared
from medgen.data.preparing.splits import UNUSED
from medgen.runs.datasets import open_second, open_trained_on
from medgen.runs.run import Run, open_run


def findings(data: Prepared, rows: NDArray[np.int64], classes: tuple[str, ...]) -> Tensor:
    """Return the index of each frame's class, (N,) int64, -1 for none of them."""
    places = {name: place for place, name in enumerate(classes)}
    return torch.tensor([places.get(name, -1) for name in data.index["finding"].iloc[rows]], dtype=torch.int64)


def upper_bound(run: Run, model: Model, data: Prepared, epochs: int) -> nn.Module:
    """Train a fresh classifier on the labelled training frames of a domain; return it."""
    torch.manual_seed(run.settings.train.seed)
    net, chosen = model.fresh_classifier(), model.config.optimizer
    optimizer = torch.optim.Adam(net.parameters(), lr=chosen.lr, betas=chosen.betas, weight_decay=chosen.weight_decay)
    rng, size = np.random.default_rng(run.settings.train.seed), run.settings.data.batch_size
    rows = data.rows("train", UNUSED)  # abnormal frames, too, as the run's own classifiers see those of the first domain
    net.train()
    for _ in range(epochs):
        order = rng.permutation(rows)
        for batch in FixedBatches(data, order, run.settings.data, batch_size=size):
            optimizer.zero_grad()
            task_loss(net(signed(batch.image)), findings(data, batch.index.numpy(), model.classes)).backward()
            optimizer.step()
    return net.eval()


@torch.inference_mode()
def rightly(run: Run, nets: dict[str, nn.Module], classes: tuple[str, ...], data: Prepared) -> dict[str, Any]:
    """Return the share of rightly named frames by each net, of all frames and of the test frames."""
    rows, hits = data.rows(), {name: [] for name in nets}
    for batch in FixedBatches(data, rows, run.settings.data):
        truth = findings(data, batch.index.numpy(), classes)
        for name, net in nets.items():
            hits[name].append(net(signed(batch.image)).argmax(1) == truth)
    test = torch.from_numpy(np.isin(rows, data.rows("test")))
    found = {name: torch.cat(parts).double() for name, parts in hits.items()}
    shares = {name: {"all": float(hit.mean()), "test": float(hit[test].mean())} for name, hit in found.items()}
    return {"frames": len(rows), "test frames": int(test.sum()), **shares}


def main(folder: Path, epochs: int) -> None:
    run = open_run(folder)
    model, data = run.trained_model().eval(), open_trained_on(run)
    second = open_second(run.settings, data)
    assert isinstance(model, Model) and second is not None
    domains = {"source": data, "target": second}
    told = upper_bound(run, model, second, epochs or run.settings.train.epochs)
    nets = {"source only": model.source_only, "adapted": model.classifier, "upper bound": told}
    result: dict[str, Any] = {name: rightly(run, nets, model.classes, one) for name, one in domains.items()}
    aligned = [one.index["finding"].iloc[one.rows("test")].tolist() for one in domains.values()]
    result["test frames have the same classes in both domains"] = aligned[0] == aligned[1]
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]) if len(words) > 1 else 0)
