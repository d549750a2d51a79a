"""What happens when a training breaks: its losses or weights are no longer finite numbers.

It goes back to the last state on disk, which is checked before it is written, halves every learning rate, clips gradients to a
norm of 1 where they were not clipped, and goes on. One that breaks again after `TRIES` returns has ended for good.
"""

from __future__ import annotations

import torch
from torch import nn

from medgen.errors import RunError

TRIES = 3
SLOWER = 0.5  # what every learning rate is multiplied with each time
CLIP = 1.0  # largest norm of a gradient from then on, where there was no limit


class DivergedError(RunError):
    """The losses or weights of a training are no longer finite numbers."""


def require_finite(model: nn.Module, where: str) -> None:
    """Refuse weights that are no longer finite numbers; whoever asks waits for the device.

    Raises
    ------
    DivergedError : naming the first of them and `where` in the training that is.
    """
    for name, weights in model.named_parameters():
        if not torch.isfinite(weights).all():
            raise DivergedError(f"the weights '{name}' are no longer finite numbers in {where}")


def refuse_hopeless(returns: int, error: DivergedError | None = None) -> None:
    """Refuse to go on with a training that broke and went back too often.

    Raises
    ------
    RunError : if it did.
    """
    if returns > TRIES:
        what = f"{error}, after" if error else "this training broke for good:"
        raise RunError(
            f"{what} {TRIES} returns to its last good state with ever lower learning rates; train anew with a lower one "
            "(--set model.optimizer.lr=...) or --set train.clip=0.1"
        ) from error
