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
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae_nets import Decoder, Encoder
from worker import THREADS, serve


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
