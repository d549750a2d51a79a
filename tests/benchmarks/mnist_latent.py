"""Two numbers of a VAE on the 10,000 MNIST test digits: its cross-entropy, and what a probe reads in its latents.

python tests/benchmarks/mnist_latent.py RUN

The binary cross-entropy is summed over the pixels of a digit, in nats, and averaged over digits; latents are sampled from the
posterior (seed 0), and a conditional VAE is told each digit's class. The probe is scikit-learn's classifier of 10 nearest
neighbours on the means of the latents, fitted on the 60,000 training digits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from medgen.backends._vae import Variational
from medgen.data.dataset import FixedBatches
from medgen.losses import binary_cross_entropy
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run


@torch.inference_mode()
def main(folder: Path) -> None:
    run = open_run(folder)
    data, model = open_trained_on(run), run.trained_model().eval()
    assert isinstance(model, Variational)
    torch.manual_seed(0)
    latents, nats = {}, []
    for name, splits in (("train", ("train", "val")), ("test", ("test",))):
        rows = data.rows(*splits)
        found = []
        for batch in FixedBatches(data, rows, run.settings.data, run.settings.classes, batch_size=500):
            mean, log_variance = model.encode(batch.image, batch.finding)
            found.append(mean.numpy())
            if name == "test":
                drawn = model.logits(mean + torch.randn_like(mean) * (0.5 * log_variance).exp(), batch.finding)
                nats.append(binary_cross_entropy(drawn, batch.image, batch.valid))
        latents[name] = (np.concatenate(found), data.index["finding"].to_numpy()[rows])
    probe = KNeighborsClassifier(10).fit(*latents["train"])
    result = {
        "digits": len(latents["test"][0]),
        "cross_entropy_nats": torch.cat(nats).mean().item(),
        "probe_accuracy": float(probe.score(*latents["test"])),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]))
