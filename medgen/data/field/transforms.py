"""Reader and contour crop as MONAI dictionary transforms, for use inside a `monai.transforms.Compose`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray

from medgen.data.field.contour import crop
from medgen.data.field.tensors import as_array, check_axes
from medgen.data.images import read_image
from medgen.data.intensity import Intensity, picture
from medgen.data.pixel_format import joined, stored, to_uint8
from medgen.data.pyramid import Pyramid
from medgen.errors import ConfigError, DataError, ImageError, did_you_mean
from medgen.types import OverlayRules

OVERSHOOT = 0.1  # beyond 0 and 1, of which interpolation makes less; more is another range of values


def path_under(key: Hashable, value: Any) -> Path:
    """Return the path that a transform reads.

    Raises
    ------
    DataError : if it is none, such as a frame that has been read already.
    """
    if isinstance(value, str | PathLike):
        return Path(value)
    raise DataError(f"under '{key}' is no path but {type(value).__name__}; ContourCropd takes frames that have been read")


def _as_picture(key: Hashable, image: Any) -> NDArray[np.uint8]:
    """Return a frame (C, H, W) as a picture (H, W, C)."""
    values = as_array(image)
    check_axes(values, getattr(image, "meta", {}))
    if values.ndim != 3 or values.shape[0] not in (1, 3):
        raise DataError(f"'{key}' has shape {joined(values.shape)}; expected channels first, (C, H, W), C 1 or 3")
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        if known.size and (known.min() < -OVERSHOOT or known.max() > 1 + OVERSHOOT):
            has = f"'{key}' has {values.dtype} values from {known.min():g} to {known.max():g}"
            raise DataError(f"{has}; expected uint8, or floats from 0 to 1: divide floats by the value of white")
        values = np.clip(values, 0, 1)
    try:
        return to_uint8(picture(stored(values.transpose(1, 2, 0))))
    except ImageError as error:
        raise DataError(f"'{key}' has {error}") from error


class LoadFramed(MapTransform):
    """Read each path as a frame: (C, H, W) float32 in [0, 1], upright.

    MONAI's own LoadImage gives PNG and JPEG transposed and MONOCHROME1 inverted.

    Parameters
    ----------
    keys : of paths
    intensity : which values are black and white: "auto", "full", "window:LO,HI", or what `PrepareSettings.shown` of a prepared
        data set says, with the range that was found there. Read alone, a frame shows the whole range of its type by "auto".
    """

    def __init__(self, keys: KeysCollection, intensity: str | Intensity = "auto", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.intensity = Intensity.parse(intensity) if isinstance(intensity, str) else intensity

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            path = path_under(key, result[key])
            try:
                pixels = read_image(path, intensity=self.intensity).pixels
            except ImageError as error:
                raise DataError(f"'{path}': {error}") from error
            scaled = pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels
            result[key] = torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32))
        return result


class ContourCropd(MapTransform):
    """Cut each frame to the square in its field of view and resize it.

    Parameters
    ----------
    keys : of frames (C, H, W), C 1 or 3, uint8 or float32 in [0, 1], what interpolation overshoots is cut; they become
        (C, size, size) float32 in [0, 1]
    size : side of the crop in pixels
    square : the centre square of the field of view, or the square around it
    overlay : what is looked for that is no tissue: "auto", "endoscopy", "dark" or "none" (`medgen.data.field.overlay`)
    valid_suffix : each key with this behind it gets (1, size, size) bool, True where the pixel shows tissue

    Raises
    ------
    ConfigError : if size, square or overlay is none that is known.
    DataError : if a frame has other axes or values, or MONAI's own LoadImaged has exchanged its rows and columns.
    """

    def __init__(
        self,
        keys: KeysCollection,
        size: int = 96,
        square: Literal["crop", "pad"] = "crop",
        valid_suffix: str = "_valid",
        allow_missing_keys: bool = False,
        overlay: OverlayRules = "auto",
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        for name, chosen, known in (("square", square, ("crop", "pad")), ("overlay", overlay, get_args(OverlayRules))):
            if chosen not in known:
                raise ConfigError(f"there is no {name} '{chosen}'; {did_you_mean(chosen, known)}")
        if size < 1:
            raise ConfigError(f"size is {size}; expected the side of the crop in pixels")
        self.size, self.square, self.valid_suffix, self.overlay = size, square, valid_suffix, overlay

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            cut, _ = crop(Pyramid.of(_as_picture(key, result[key])), self.size, self.square, self.overlay)
            result[key] = torch.from_numpy(cut.pixels.transpose(2, 0, 1).astype(np.float32) / 255)  # (C, S, S)
            result[f"{key}{self.valid_suffix}"] = torch.from_numpy(cut.valid[None])  # (1, S, S)
        return result
