"""Training speed of the backend `vae` at 64 px against the same net in pythae's trainer, in one run.

pip install pythae; python tests/benchmarks/pythae_speed.py DATASET [ROUNDS]

DATASET is a folder of 64 px frames (``folder:../shared/data/faces``). Both train the net of configs/vae-faces64.toml with Adam,
batches of 32, float32 and squared error on the same training frames, in turns: ROUNDS (5) times two epochs each, of which the
second counts. Frames per second are of the training steps, each library's own batches and bookkeeping included, validation and
checkpoints not.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from rivals.pythae_nets import Decoder, Encoder

from medgen import registry
from medgen.backends.vae import Model
from medgen.data.dataset import DataSettings, TrainingBatches, make_batch
from medgen.data.native.addresses import ReadSettings, open_dataset
from medgen.data.prepared import Prepared
from medgen.engine.device import make_fabric
from medgen.engine.fit import Fit
from medgen.engine.train_settings import TrainSettings
from medgen.runs.settings import recipe

BATCH, EPOCHS, LR = 32, 2, 1e-3


def fresh() -> Model:
    settings = recipe("vae", Path(__file__).parents[2] / "configs" / "vae-faces64.toml")
    torch.manual_seed(0)
    model = registry.create("vae", settings.model, 64, 3)
    assert isinstance(model, Model)
    return model


def ours(data: Prepared) -> float:
    """Return frames per second of the last epoch."""
    batches = TrainingBatches(data, DataSettings(batch_size=BATCH), 0)
    settings = TrainSettings(epochs=EPOCHS, precision="float32", panel_epochs=0)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        fit = Fit(fresh(), batches, [], settings, make_fabric("cpu", "float32"), Path(folder))
        fit.run(lambda row: seconds.append(row["seconds"]))
    return len(batches) * BATCH / (seconds[-1] - seconds[-2])


class Trainer(BaseTrainer):
    seconds: float

    def train_step(self, epoch: int) -> Any:
        start = time.perf_counter()
        loss = super().train_step(epoch)
        self.seconds = time.perf_counter() - start
        return loss


def theirs(frames: torch.Tensor) -> float:
    """Return frames per second of the last epoch."""
    model = fresh()
    vae = VAE(VAEConfig(input_dim=(3, 64, 64), latent_dim=256, reconstruction_loss="mse"), Encoder(model), Decoder(model))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, num_epochs=EPOCHS, learning_rate=LR, no_cuda=True
        )
        trainer = Trainer(vae, BaseDataset(frames, torch.zeros(len(frames))), training_config=config)
        trainer.train()
    return len(frames) / trainer.seconds


def main(address: str, rounds: int) -> None:
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    data = open_dataset(address, ReadSettings(normal=("*",)))
    batches = TrainingBatches(data, DataSettings(batch_size=BATCH), 0)
    frames = make_batch(data, batches.rows[: len(batches) * BATCH]).image.contiguous()
    speeds = [(ours(data), theirs(frames)) for _ in range(rounds)]
    result = {
        "frames_an_epoch": len(frames),
        "threads": torch.get_num_threads(),
        "medgen_frames_per_second": [round(mine, 1) for mine, _ in speeds],
        "pythae_frames_per_second": [round(other, 1) for _, other in speeds],
        "median_ratio": round(statistics.median(mine / other for mine, other in speeds), 3),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(words[0], int(words[1]) if len(words) > 1 else 5)
