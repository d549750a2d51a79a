"""Nets of timm as feature extractors, where timm is installed (it brings torchvision along): the extra "timm".

Convolutional nets and others that narrow step by step give a map of each stride; transformers of one stride give their patches'
last tokens as one map.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from medgen.errors import ConfigError, MedgenError
from medgen.nn.features.nets.stored_weights import read_state
from medgen.nn.features.nets.tokens import Standard, Standardised, TokenNet

INSTALL = "pip install 'medgen[timm]'"
LAST_CHANNELS = "NHWC"  # as timm names the order in which some nets give their maps


class TimmMaps(Standardised):
    """A net whose maps at each stride are its features."""

    def __init__(self, name: str, net: Any, standard: Standard, kept: bool) -> None:
        super().__init__(standard, kept)
        self.name, self.net = f"timm:{name}", net
        self.strides: list[int] = net.feature_info.reduction()
        self.width: int = net.feature_info.channels()[-1]
        self.channels_last: bool = getattr(net, "output_fmt", "") == LAST_CHANNELS

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map, (B, c, h, w)."""
        return self.layers(x)[self.strides[-1]]

    def layers(self, x: Tensor, coarsest: int = sys.maxsize) -> dict[int, Tensor]:
        """Return the map at each stride; the net always runs whole."""
        with _of_a_side_it_takes(self.name, self.side):
            maps = self.net(x)
        return dict(zip(self.strides, (m.permute(0, 3, 1, 2) for m in maps) if self.channels_last else maps, strict=True))


class TimmTokens(TokenNet):
    """A transformer of one stride."""

    def __init__(self, name: str, net: Any, standard: Standard, stride: int, kept: bool) -> None:
        super().__init__(f"timm:{name}", standard, stride, getattr(net, "num_prefix_tokens", 0), net.num_features, kept)
        self.net = net

    def tokens(self, x: Tensor) -> Tensor:
        """Return (B, N, width) of (B, 3, H, W)."""
        with _of_a_side_it_takes(self.name, self.side):
            found: Tensor = self.net.forward_features(x)
        return found if found.ndim == 3 else found.flatten(2).transpose(1, 2)  # a map as it is, (B, c, h, w)


@contextmanager
def _of_a_side_it_takes(name: str, side: int) -> Iterator[None]:
    """Say which side a net takes where its own check of the frames fails."""
    try:
        yield
    except AssertionError as error:
        raise MedgenError(f"'{name}' takes no frames of that side: {_line(error)}; set the side to {side}") from None


def timm_net(
    name: str, weights: Path | None = None, standard: Standard | None = None, arguments: Mapping[str, Any] | None = None
) -> TimmMaps | TimmTokens:
    """Return a pretrained net of timm.

    Parameters
    ----------
    name : as timm has it
    weights : a safetensors file with the whole net's weights, as timm saves them; None for timm's own, downloaded once
    standard : how frames are brought to it; None for what timm says
    arguments : of the net, where it is a variant of its own

    Raises
    ------
    MedgenError : if timm is not installed, or the weights cannot be had or are another net's.
    ConfigError : if timm knows no such net, or it gives no maps.
    """
    timm = _timm(name)
    if name.partition(".")[0] not in timm.list_models() or ":" in name:  # to timm a name with a colon is a place
        raise ConfigError(f"timm knows no net '{name}'; `python -c 'import timm; print(timm.list_models())'` lists them")
    kept = standard is not None  # by a file that may change
    try:
        whole = _whole(timm, name, not weights, dict(arguments or {}))
        if weights:
            _fill(name, whole, weights)
        standard = standard or _standard(whole.default_cfg)
        strides = {layer["reduction"] for layer in getattr(whole, "feature_info", ())}
        if len(strides) == 1:
            return TimmTokens(name, whole, standard, strides.pop(), kept)
        own = {"pretrained_cfg_overlay": {"file": str(weights), "custom_load": False}} if weights else {}
        maps = timm.create_model(name, pretrained=True, features_only=True, **own, **dict(arguments or {}))
        return TimmMaps(name, maps, standard, kept)
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        raise ConfigError(f"timm's '{name}' gives no maps: {_line(error)}") from None
    except OSError as error:
        raise MedgenError(f"the weights of timm's '{name}' cannot be had: {_line(error)}") from None


def _line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _timm(name: str) -> Any:
    try:
        return import_module("timm")
    except ImportError:
        raise MedgenError(f"extractor 'timm:{name}' needs timm: {INSTALL}") from None
    except RuntimeError as error:  # a torchvision that was built for another torch
        raise MedgenError(f"timm cannot be imported here: {error}; install the torchvision that belongs to this torch") from None


def _standard(about: Mapping[str, Any]) -> Standard:
    return Standard(about["input_size"][-1], about["mean"], about["std"])


def _whole(timm: Any, name: str, pretrained: bool, arguments: dict[str, Any]) -> Any:
    """Return the net without its classes; a transformer interpolates its position codes where timm lets it."""
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **{"dynamic_img_size": True, **arguments})
    except TypeError:  # it has no such argument
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)


def _fill(name: str, net: Any, path: Path) -> None:
    """Write the weights in a file into a net; a file that leaves some of them as they were drawn, timm itself would load.

    Raises
    ------
    MedgenError : if weights are missing or of another shape.
    """
    state = dict(read_state(path))
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)  # from other publishers' layouts
    wanted = net.state_dict()
    try:
        found = convert(state, net) if convert else state
        missing = [key for key in wanted if key not in found and not key.endswith("num_batches_tracked")]
    except (RuntimeError, KeyError, AttributeError, ValueError) as error:
        raise MedgenError(f"{path} holds the weights of another net than timm's '{name}': {error!r}") from None
    wrong = [key for key, values in wanted.items() if key in found and found[key].shape != values.shape]
    if missing or wrong:
        what = f"lacks {missing[0]} and {len(missing) - 1} more" if missing else f"has {wrong[0]} of another shape"
        raise MedgenError(f"{path} {what}; expected all weights of timm's '{name}'")
    net.load_state_dict(found, strict=False)
