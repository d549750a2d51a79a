"""The same net in MONAI's SupervisedTrainer: python monai_trainer.py FRAMES.npy BATCH."""

from __future__ import annotations

import sys
import warnings

import monai
import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from plain_endovae import LR, PlainEndoVAE, loss_of
from worker import THREADS, serve


def main(path: str, batch: int) -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    frames = torch.from_numpy(np.load(path))
    model = PlainEndoVAE()
    data = Dataset([{"image": frame, "label": frame} for frame in frames])
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(data, batch_size=batch, shuffle=True),
        network=model,
        optimizer=torch.optim.Adam(model.parameters(), LR),
        loss_function=loss_of,
        decollate=False,
    )

    def epoch() -> None:
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()

    serve(monai.__version__, epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
