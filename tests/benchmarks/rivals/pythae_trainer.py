"""The same net in pythae's trainer: python pythae_trainer.py FRAMES.npy BATCH."""

from __future__ import annotations

import itertools
import logging
import sys
import tempfile
import warnings
from importlib.metadata import version

import numpy as np
import torch
from plain_endovae import LATENTS, LR, PlainEndoVAE
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from worker import THREADS, serve


class Encoder(BaseEncoder):
    def __init__(self, model: PlainEndoVAE) -> None:
        super().__init__()
        self.net, self.mean, self.log_variance = model.encoder, model.mean, model.log_variance

    def forward(self, x: torch.Tensor) -> ModelOutput:
        hidden = self.net(x)
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))


class Decoder(BaseDecoder):
    def __init__(self, model: PlainEndoVAE) -> None:
        super().__init__()
        self.net = model.decoder

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net(z).sigmoid())


def main(path: str, batch: int) -> None:
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(THREADS)
    frames = torch.from_numpy(np.load(path))
    torch.manual_seed(0)
    model = PlainEndoVAE()
    about = VAEConfig(input_dim=tuple(frames.shape[1:]), latent_dim=LATENTS, reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder, per_device_train_batch_size=batch, learning_rate=LR, no_cuda=True)
        data = BaseDataset(frames, torch.zeros(len(frames)))
        trainer = BaseTrainer(VAE(about, Encoder(model), Decoder(model)), data, training_config=config)
        trainer.prepare_training()
        epochs = itertools.count(1)
        serve(version("pythae"), lambda: trainer.train_step(next(epochs)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
