"""Where a model runs and in which precision, and the seed of what it draws."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

import numpy as np
import torch
from torch import nn

from medgen.errors import ConfigError, RunError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
Model = TypeVar("Model", bound=nn.Module)


def find_device(device: Device | torch.device = "auto") -> torch.device:
    """Return the device that is meant; "auto" takes a GPU where there is one. A `torch.device` is taken, too.

    Raises
    ------
    ConfigError : if it is none that is known; of several GPUs the first one that PyTorch sees is meant.
    RunError : if a GPU is asked for where there is none.
    """
    known, named = get_args(Device), str(device).removesuffix(":0")
    if named not in known:
        several = "; of several GPUs CUDA_VISIBLE_DEVICES chooses one" if named.startswith("cuda:") else ""
        raise ConfigError(f"device '{device}': expected one of {', '.join(known)}{several}")
    device, has_gpu = cast(Device, named), torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise RunError("--device cuda: no CUDA device is visible to PyTorch; use --device cpu or install a CUDA build of torch")
    return torch.device("cuda", 0) if has_gpu and device != "cpu" else torch.device("cpu")


def make_fabric(device: Device = "auto", precision: Precision = "auto") -> Fabric:
    """Return a Fabric to train with on one device; "auto" takes a GPU where there is one, and bfloat16 where the hardware has it.

    Raises
    ------
    RunError : if a GPU is asked for where there is none.
    """
    from lightning_fabric import Fabric  # as long to import as torch, and only a training needs it

    accelerator = find_device(device).type
    with quiet_fabric():
        return Fabric(accelerator=accelerator, devices=1, precision=fabric_precision(accelerator, precision))


@contextmanager
def quiet_fabric() -> Iterator[None]:
    """Keep what Fabric logs of the precision from the user's screen: the run says it, and a progress bar stands there."""
    logger = logging.getLogger("lightning_fabric.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def fabric_precision(accelerator: str, precision: Precision) -> Literal["bf16-mixed", "32-true"]:
    """Return Fabric's word for a precision on "cuda" or "cpu"; "auto" is bfloat16 where the hardware has it."""
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(accelerator) else "float32"
    return "bf16-mixed" if precision == "bfloat16" else "32-true"


def has_bfloat16(accelerator: str) -> bool:
    """Tell whether the hardware of "cuda" or "cpu" multiplies bfloat16 itself; emulation is slower than float32."""
    if accelerator == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # newer than PyTorch 2.6
    return bool(features.get("avx512_bf16") or features.get("amx_bf16") or features.get("bf16"))


def precision_name(fabric: Fabric) -> str:
    """Return the precision in which a Fabric trains: "bfloat16" or "float32"."""
    return "bfloat16" if "bf16" in str(fabric._precision.precision) else "float32"


def move_model(model: Model, device: torch.device) -> Model:
    """Move a model to a device, with its convolutions laid out channels last, which is faster; return it."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def seed_all(seed: int) -> None:
    """Seed every generator that a backend may draw from: those of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
