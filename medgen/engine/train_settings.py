"""How long and how a backend is trained: section ``train`` of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medgen.config import SEEDS, Settings
from medgen.engine.device import Precision


class TrainSettings(Settings):
    """How long and how a backend is trained."""

    epochs: int = Field(100, ge=1, le=10**6)
    seed: int = Field(0, ge=0, lt=SEEDS)
    precision: Precision = "auto"
    compile: Literal["", "inductor", "cudagraphs", "aot_eager", "eager"] = (
        ""  # the nets by torch.compile, with this backend of it
    )
    early_stopping: int = Field(50, ge=0, le=10**6)  # epochs without a better validation loss; 0 = never
    choose: Literal["loss", "synthetic"] = "loss"  # the best weights by: the validation loss, or how well they tell validation
    # frames with a foreign patch from those without (of the last stage; neither needs a label)
    clip: float = Field(0.0, ge=0)  # largest norm of a player's gradient; 0 = any
    log_steps: int = Field(0, ge=0, le=10**9)  # a row in steps.csv with means over so many optimizer steps; 0 = none
    panel_epochs: int = Field(10, ge=0, le=10**6)  # a panel of samples and reconstructions every so many epochs; 0 = none
    panel_frames: int = Field(8, ge=1, le=400)  # validation frames in a panel
    panel_choice: Literal["spread", "first"] = "spread"  # evenly over the validation frames, or the first ones
