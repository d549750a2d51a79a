"""Training state on disk: one safetensors file, written whole or not at all, that cannot run code when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from medgen.errors import RunError
from medgen.files import replacing

ABOUT = "medgen"
DRAWS = {nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_, Tensor.uniform_, Tensor.normal_}


class Undrawn(TorchFunctionMode):
    """Inside it, the weights of new layers are what stood in memory: for a model whose weights are read next.

    To draw weights takes most of the time that a net with wide layers takes to build.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in DRAWS:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def save(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write named tensors, and beside them facts that JSON can hold.

    Raises
    ------
    RunError, MedgenError : where the folder cannot be written or the disk is full.
    """
    contiguous = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={ABOUT: json.dumps(dict(about))})
        except SafetensorError as error:  # its own kind for a disk that is full
            raise RunError(f"cannot write '{path}': {error}") from None
        temporary.chmod(0o644)  # safetensors lets the owner alone read


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the facts that `save` wrote.

    Raises
    ------
    RunError : if the file is missing or damaged.
    """
    if not path.is_file():
        raise RunError(f"there is no '{path}'; train the run first with `medgen train`")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise RunError(f"'{path}' is damaged ({error}); train again, or restore it from a copy") from None


def load_weights(
    model: nn.Module, path: Path, read: Callable[[Path], tuple[dict[str, Tensor], dict[str, Any]]] = load
) -> dict[str, Any]:
    """Put the weights of `path`, as `read` returns them, into `model` and return the facts beside them.

    Raises
    ------
    RunError : if names or shapes do not fit.
    """
    tensors, about = read(path)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(
            f"the weights in '{path}' do not fit the model in run.toml: {str(error).splitlines()[-1].strip()} "
            f"They are those of another version of medgen, or run.toml was changed: train again"
        ) from None
    return about


def flatten(prefix: str, state: Mapping[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Move every tensor of a nested state dict into `tensors` under `prefix` and return the rest, fit for JSON."""
    flat: dict[str, Any] = {}
    for key, value in state.items():
        name = f"{prefix}/{key}"
        if isinstance(value, Tensor):
            tensors[name] = value
            flat[str(key)] = {"tensor": name}
        elif isinstance(value, Mapping):
            flat[str(key)] = {"mapping": flatten(name, value, tensors), "integers": all(isinstance(k, int) for k in value)}
        else:
            flat[str(key)] = {"value": value}
    return flat


def unflatten(flat: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    """Return the nested state dict that `flatten` took apart; keys that were integers are integers again."""
    state: dict[Any, Any] = {}
    for key, entry in flat.items():
        if "tensor" in entry:
            state[key] = tensors[entry["tensor"]]
        elif "mapping" in entry:
            inner = unflatten(entry["mapping"], tensors)
            state[key] = {int(k): v for k, v in inner.items()} if entry["integers"] else inner
        else:
            state[key] = entry["value"]
    return state


def random_states() -> dict[str, Tensor]:
    """Return the state of every torch generator."""
    states = {"random/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random/cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(tensors: Mapping[str, Tensor]) -> None:
    """Set every torch generator to a state that `random_states` returned."""
    torch.set_rng_state(tensors["random/cpu"])
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])
