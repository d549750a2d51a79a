"""Arrays and tensors that are handed over: their values, and whether MONAI's LoadImage has exchanged their rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.images import read_image
from medgen.errors import DataError

ALIKE = 0.99  # correlation of one picture with itself, whatever its range was scaled to


def as_array(item: Any) -> NDArray[Any]:
    """Return an array of what is like one; a tensor may be on a GPU, in bfloat16, and followed by autograd."""
    if isinstance(item, torch.Tensor):
        plain = item.detach().cpu()
        return np.asarray(plain.float() if plain.dtype == torch.bfloat16 else plain)
    return np.asarray(item)


def check_axes(image: NDArray[Any], meta: Mapping[str, Any]) -> None:
    """Refuse a picture that MONAI has read with its axes exchanged, (C, W, H), as it does with PNG, JPEG and DICOM.

    Its score would be that of another picture. MONAI's tensors name the file that they were read from, and whoever
    has turned them since is not refused: a picture is, if it has the sides of its file the other way round, or is the file's own
    picture that was mirrored at its diagonal.

    Parameters
    ----------
    image : (C, H, W) or a batch (B, C, H, W)
    meta : what MONAI's tensor says of itself; without the name of a file ("filename_or_obj") nothing is known

    Raises
    ------
    DataError : saying how the file is read upright.
    """
    named = meta.get("filename_or_obj")
    path = named[0] if isinstance(named, list | tuple) and named else named
    if not isinstance(path, str | Path) or not Path(path).is_file() or image.ndim not in (3, 4):
        return
    try:
        pixels = read_image(Path(path)).pixels
    except DataError:  # whoever read it knows its format
        return
    first = image[0] if image.ndim == 4 else image
    given, own = first.astype(np.float32).mean(0), pixels.astype(np.float32).mean(2)  # (H, W)
    if given.shape != own.T.shape or (given.shape == own.shape and not _is_mirrored(given, own)):
        return
    raise DataError(
        f"'{path}' has its rows and columns exchanged, as MONAI's LoadImaged reads pictures; read it by LoadFramed of "
        "medgen.data.field.transforms, or by LoadImaged(..., reverse_indexing=False)"
    )


def _is_mirrored(given: NDArray[np.float32], own: NDArray[np.float32]) -> bool:
    """Tell whether a square picture is the file's own, mirrored at its diagonal, and not that picture itself."""
    if given.min() == given.max() or own.min() == own.max():  # of one colour: the same either way
        return False
    as_it_is, mirrored = (float(np.corrcoef(given.ravel(), other.ravel())[0, 1]) for other in (own, own.T))
    return mirrored > ALIKE and mirrored > as_it_is
