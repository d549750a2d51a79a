"""Vision transformers in folders as the Hugging Face Hub lays them out: the extra "transformers", or "timm" for nets of timm.

No program in such a folder runs and nothing is downloaded: transformers is handed settings and weights that are read here, and
never the folder. Weights are read from safetensors files alone. Three layouts are known:

- ``config.json`` of transformers with a ``model_type`` of `KINDS`, ``model.safetensors``, ``preprocessor_config.json``: DINOv2,
  RAD-DINO, DINOv3, ViT, DeiT, BEiT, and the vision towers of CLIP and SigLIP;
- ``config.json`` of timm, which names an ``architecture``, and ``model.safetensors``;
- ``open_clip_config.json`` with a ``timm_model_name``, and ``open_clip_model.safetensors``: BiomedCLIP and the like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from medgen.errors import MedgenError
from medgen.nn.features.nets.stored_weights import read_state
from medgen.nn.features.nets.timm_net import TimmMaps, TimmTokens, timm_net
from medgen.nn.features.nets.tokens import Standard, TokenNet

INSTALL = "pip install 'medgen[transformers]'"
CONFIG, OPEN_CLIP = "config.json", "open_clip_config.json"
WEIGHTS, OPEN_CLIP_WEIGHTS = "model.safetensors", "open_clip_model.safetensors"
PREPARATION = ("preprocessor_config.json", "processor_config.json")
UNUSED = ("pooler", "mask_token", "head.")  # weights behind the tokens, or of the training alone: a folder may lack them
TOWERS = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}  # of a net for pictures and texts
VARIANT = (  # what timm's configuration may say of a net; other arguments of its functions name files, for example
    "act_layer", "class_token", "depth", "dynamic_img_size", "embed_dim", "global_pool", "img_size", "init_values", "mlp_ratio",
    "no_embed_class", "num_heads", "patch_size", "pre_norm", "qkv_bias", "reg_tokens",
)  # fmt: skip
MOST = 100_000  # a number in a configuration: more is no width of any net


class Kind(NamedTuple):
    """A kind of net in transformers: what its classes are called, and how many tokens stand before those of the patches."""

    name: str
    front: int


KINDS = {
    "beit": Kind("Beit", 1),
    "clip_vision_model": Kind("CLIPVision", 1),
    "deit": Kind("DeiT", 2),
    "dinov2": Kind("Dinov2", 1),
    "dinov2_with_registers": Kind("Dinov2WithRegisters", 1),  # and its registers, here as below
    "dinov3_vit": Kind("DINOv3ViT", 1),
    "siglip_vision_model": Kind("SiglipVision", 0),
    "vit": Kind("ViT", 1),
}


class HfNet(TokenNet):
    """A vision transformer of transformers."""

    def __init__(self, name: str, net: Any, standard: Standard, front: int) -> None:
        super().__init__(name, standard, net.config.patch_size, front, net.config.hidden_size, kept=True)
        self.net = net
        asked = "interpolate_pos_encoding" in signature(net.forward).parameters  # the others interpolate unasked
        self._arguments = {"interpolate_pos_encoding": True} if asked else {}

    def tokens(self, x: Tensor) -> Tensor:
        """Return the last layer's tokens, (B, N, width), of (B, 3, H, W)."""
        found: Tensor = self.net(pixel_values=x, **self._arguments).last_hidden_state
        return found


def folder_net(folder: Path) -> HfNet | TimmMaps | TimmTokens:
    """Return the net in a folder.

    Raises
    ------
    MedgenError : if the folder holds no such net, lacks a file or weights, or the library that builds the net is not installed.
    ConfigError : if timm knows no net of that name.
    """
    if (folder / OPEN_CLIP).is_file():
        about = _read(folder / OPEN_CLIP)
        tower = _part(folder / OPEN_CLIP, about, "model_cfg", "vision_cfg")
        looks = _part(folder / OPEN_CLIP, about, "preprocess_cfg")
        standard = _standard(folder / OPEN_CLIP, tower.get("image_size", 224), looks.get("mean"), looks.get("std"))
        return timm_net(_text(folder / OPEN_CLIP, tower, "timm_model_name"), _file(folder, OPEN_CLIP_WEIGHTS), standard)
    config = _read(folder / CONFIG)
    if "architecture" in config:
        looks = _part(folder / CONFIG, config, "pretrained_cfg")
        size = looks.get("input_size")
        side = size[-1] if isinstance(size, list) and size else 224
        standard = _standard(folder / CONFIG, side, looks.get("mean"), looks.get("std"))
        given = _part(folder / CONFIG, {"model_args": {}} | config, "model_args")
        if others := sorted(given.keys() - {*VARIANT, "num_classes"}):
            raise MedgenError(f"{folder / CONFIG} gives the net '{others[0]}'; expected none but {', '.join(VARIANT)}")
        variant = {key: value for key, value in given.items() if key in VARIANT}
        return timm_net(_text(folder / CONFIG, config, "architecture"), _file(folder, WEIGHTS), standard, variant)
    return _transformer(folder, config)


def _transformer(folder: Path, config: Mapping[str, Any]) -> HfNet:
    kind = str(config.get("model_type"))
    if kind in TOWERS:
        config, kind = _part(folder / CONFIG, config, "vision_config"), TOWERS[kind]
    if kind not in KINDS:
        raise MedgenError(f"{folder / CONFIG} is of model_type '{kind}'; expected one of {', '.join([*TOWERS, *KINDS])}")
    looks = next((_read(folder / name) for name in PREPARATION if (folder / name).is_file()), None)
    if looks is None:
        raise MedgenError(f"{folder} has no {PREPARATION[0]}; expected the mean and deviation that the net was trained with")
    state = read_state(_file(folder, WEIGHTS))
    net = _built(KINDS[kind].name, config, state)
    looks = _part(folder, {"image_processor": looks} | looks, "image_processor")  # it stands alone, or within that of texts too
    standard = _look(folder, looks, net.config.image_size)
    return HfNet(f"hf:{folder}", net, standard, KINDS[kind].front + getattr(net.config, "num_register_tokens", 0))


def _classes(name: str) -> tuple[Any, Any, Any]:
    """Return transformers, and the classes of a kind of net: of its configuration, and its own."""
    try:
        transformers: Any = import_module("transformers")
    except ImportError:
        raise MedgenError(f"an extractor in a folder needs transformers: {INSTALL}") from None
    try:
        return transformers, getattr(transformers, f"{name}Config"), getattr(transformers, f"{name}Model")
    except (ImportError, AttributeError) as error:  # too old, or beside a torchvision that was built for another torch
        reason = " ".join(str(error).split())
        raise MedgenError(
            f"transformers has no {name} to import: {reason}; bring it and torchvision up to date: {INSTALL}"
        ) from None


def _built(name: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Any:
    """Return the net of a configuration with all its weights, float32.

    Only what describes the net is taken from the configuration: none of its keys that name code, kernels, files or other nets.
    """
    transformers, kind, model = _classes(name)
    known = {*signature(kind.__init__).parameters} - {*signature(transformers.PreTrainedConfig.__init__).parameters}
    taken = {key: value for key, value in config.items() if key in known and not key.startswith("_")}
    sizes = {key: value for key, value in taken.items() if isinstance(value, int | float)}
    if any(abs(size) > MOST for size in sizes.values()) or sizes.get("num_hidden_layers", 0) > len(state):
        raise MedgenError(f"the configuration of {name} asks for more than its {len(state)} weights; take their own")
    try:
        with _quiet(transformers):
            net, about = model.from_pretrained(
                None,
                config=kind(**taken),
                state_dict=dict(state),
                dtype=torch.float32,
                attn_implementation="sdpa",
                output_loading_info=True,
            )
    except Exception as error:  # of whatever kind a configuration that fits no net ends in
        reason = " ".join(str(error).split())[:200]
        raise MedgenError(f"transformers builds no {name} of this configuration and these weights: {reason}") from None
    if lacking := sorted(key for key in about["missing_keys"] if not any(part in key for part in UNUSED)):
        raise MedgenError(
            f"the weights lack {lacking[0]} and {len(lacking) - 1} more; expected all of a {name} of that configuration"
        )
    if net.config.num_channels != 3 or not isinstance(net.config.patch_size, int):
        seen = f"{net.config.num_channels} colours in patches of {net.config.patch_size}"
        raise MedgenError(f"the configuration of {name} says {seen}; expected 3 colours and one side of a square")
    return net


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Let transformers neither log nor draw a bar: what matters of its report is looked at here."""
    logging = transformers.utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _look(folder: Path, looks: Mapping[str, Any], image_size: int) -> Standard:
    """Return how a `preprocessor_config.json` says that frames are brought to the net."""
    cut = looks.get("crop_size") if looks.get("do_center_crop") else None
    size = cut or looks.get("size") or image_size
    side = size.get("height") or size.get("shortest_edge") if isinstance(size, dict) else size
    mean, std = (looks.get("image_mean"), looks.get("image_std")) if looks.get("do_normalize", True) else ([0] * 3, [1] * 3)
    factor = looks.get("rescale_factor", 1 / 255) if looks.get("do_rescale", True) else 1
    if not isinstance(factor, int | float) or not 0 < factor < inf:
        raise MedgenError(f"{folder} says of rescale_factor: {factor}; expected a number above 0, such as 1/255")
    scale, bare = 255 * factor, _standard(folder, side, mean, std)
    return bare._replace(mean=[value / scale for value in bare.mean], std=[value / scale for value in bare.std])


def _standard(path: Path, side: Any, mean: Any, std: Any) -> Standard:
    for what, values, least in (("mean", mean, -inf), ("standard deviation", std, 0)):
        three = isinstance(values, list) and len(values) == 3
        if not three or not all(isinstance(value, int | float) and least < value < inf for value in values):
            raise MedgenError(f"{path} says of the {what} of the colours: {values}; expected three numbers, deviations above 0")
    if not isinstance(side, int) or not 0 < side <= MOST:
        raise MedgenError(f"{path} says that frames have a side of {side}; expected a number of pixels")
    return Standard(side, mean, std)


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*") if path.suffix in (".bin", ".pth", ".pt", ".index"))[:3])
        raise MedgenError(f"{folder} has no {name}; expected the weights as safetensors" + (f", not {there}" if there else ""))
    return folder / name


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MedgenError(
            f"cannot read {path}: {error.strerror}; expected a folder as the Hugging Face Hub lays it out"
        ) from None
    except ValueError as error:
        raise MedgenError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise MedgenError(f"{path} holds a {type(content).__name__}; expected an object of JSON")
    return content


def _part(path: Path, content: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return an object within an object of JSON."""
    part: Any = content
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    if not isinstance(part, dict):
        raise MedgenError(f"{path} has no '{'.'.join(keys)}'; expected one that describes the net for pictures")
    return part


def _text(path: Path, content: Mapping[str, Any], key: str) -> str:
    if not isinstance(content.get(key), str):
        raise MedgenError(f"{path} has no '{key}'; expected the name of a net of timm")
    return str(content[key])
