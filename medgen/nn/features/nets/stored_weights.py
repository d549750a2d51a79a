"""Weights as files hold them: read without running a program that nobody trusts, and written into a net of medgen's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from zipfile import ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from medgen.errors import MedgenError
from medgen.trust import read_trusted

SAFETENSORS = ".safetensors"
NORM_EPSILON = 1e-3  # of the batch normalisation of all nets here
PARTS = {
    "weight": "scale", "bias": "shift", "beta": "shift",
    "mean": "mean", "running_mean": "mean", "var": "variance", "running_var": "variance",
}  # fmt: skip


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Return the named weights in a file, in their order: a safetensors file's, a TorchScript's, or a state dictionary.

    Raises
    ------
    MedgenError : if the file holds none, or is a program that nobody trusts.
    """
    if path.suffix == SAFETENSORS:
        try:
            return load_file(path)
        except SafetensorError as error:
            raise MedgenError(f"{path} is no safetensors file: {error}") from None
    if is_zipfile(path) and any("/code/" in entry for entry in ZipFile(path).namelist()):
        return read_script(path).state_dict()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise MedgenError(f"{path} holds no weights; expected a TorchScript or a state dictionary") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MedgenError(f"{path} holds a {type(state).__name__}; expected a state dictionary of tensors")
    return state


def read_script(path: Path) -> nn.Module:
    """Return the TorchScript in a file that a person trusts (`medgen.trust`).

    Raises
    ------
    MedgenError : if nobody trusts it, or it is none.
    """
    with warnings.catch_warnings():
        # The weights that there are come as TorchScript; each PyTorch warns of that by another kind of warning.
        warnings.filterwarnings("ignore", r".*torch\.jit\.load")
        try:
            return torch.jit.load(BytesIO(read_trusted(path)), map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise MedgenError(f"{path} is no TorchScript that this version of torch reads; export it anew") from error


def fill(net: nn.Module, state: Mapping[str, Tensor], path: Path) -> Tensor:
    """Write the convolutions of `state` into those of `net`, in order, batch normalisation folded in; return the last weights.

    By order and not by name: each publisher of these weights has names of its own.

    Raises
    ------
    MedgenError : if the shapes are those of another net.
    """
    layers: list[dict[str, Tensor]] = []
    for key, value in state.items():
        if value.ndim == 2:  # the classes, after the last convolution
            break
        if value.ndim == 4:
            layers.append({"kernel": value})
        elif value.ndim == 1 and layers:
            layers[-1][PARTS.get(key.rpartition(".")[2], "")] = value
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    fits = [layer["kernel"].shape for layer in layers] == [module.weight.shape for module in convolutions]
    if not fits or not all({"shift", "mean", "variance"} <= layer.keys() for layer in layers):
        raise MedgenError(f"{path} holds the weights of another net; expected {len(convolutions)} normalised convolutions")
    for module, layer in zip(convolutions, layers, strict=True):
        part = {name: values.double() for name, values in layer.items()}
        gain = part.get("scale", torch.ones(())) / (part["variance"] + NORM_EPSILON).sqrt()
        kernel = (part["kernel"] * gain[:, None, None, None]).float()
        module.weight.data = kernel.contiguous(memory_format=torch.channels_last)
        assert module.bias is not None
        module.bias.data = (part["shift"] - part["mean"] * gain).float()
    return convolutions[-1].weight
