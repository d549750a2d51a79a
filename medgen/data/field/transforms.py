"""Reader and contour crop as MONAI dictionary transforms, for use inside a `monai.transforms.Compose`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform

from medgen.data.field.contour import crop
from medgen.data.images import read_image
from medgen.data.intensity import Intensity
from medgen.data.monai_axes import check_axes
from medgen.data.pixel_format import to_uint8
from medgen.data.pyramid import Pyramid
from medgen.types import OverlayRules


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
            pixels = read_image(Path(result[key]), intensity=self.intensity).pixels
            scaled = pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels
            result[key] = torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32))
        return result


class ContourCropd(MapTransform):
    """Cut each frame to the square in its field of view and resize it.

    Parameters
    ----------
    keys : of frames (C, H, W), C 1 or 3, uint8 or float32 in [0, 1]; they become (C, size, size) float32 in [0, 1]
    size : side of the crop in pixels
    square : the centre square of the field of view, or the square around it
    overlay : what is looked for that is no tissue: "auto", "endoscopy", "dark" or "none" (`medgen.data.field.overlay`)
    valid_suffix : each key with this behind it gets (1, size, size) bool, True where the pixel shows tissue

    Raises
    ------
    DataError : if MONAI's own LoadImaged has exchanged rows and columns of a frame.
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
        self.size, self.square, self.valid_suffix, self.overlay = size, square, valid_suffix, overlay

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            check_axes(result[key])
            pixels = np.ascontiguousarray(np.asarray(result[key]).transpose(1, 2, 0))  # (H, W, C)
            cut, _ = crop(Pyramid.of(to_uint8(pixels)), self.size, self.square, self.overlay)
            result[key] = torch.from_numpy(cut.pixels.transpose(2, 0, 1).astype(np.float32) / 255)  # (C, S, S)
            result[f"{key}{self.valid_suffix}"] = torch.from_numpy(cut.valid[None])  # (1, S, S)
        return result
