"""A training loop of a few lines in plain float32 PyTorch: python plain_torch.py FRAMES.npy BATCH."""

from __future__ import annotations

import sys

import numpy as np
import torch
from plain_endovae import LR, PlainEndoVAE, loss_of
from torch.utils.data import DataLoader
from worker import THREADS, serve


def main(path: str, batch: int) -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    frames = torch.from_numpy(np.load(path))  # (N, 3, 96, 96) float32 in [0, 1]
    model = PlainEndoVAE()
    optimizer = torch.optim.Adam(model.parameters(), LR)
    loader = DataLoader(frames, batch, shuffle=True)  # type: ignore[arg-type]

    def epoch() -> None:
        for image in loader:
            optimizer.zero_grad()
            loss_of(model(image), image).backward()
            optimizer.step()

    serve(str(torch.__version__), epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
