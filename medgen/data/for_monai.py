"""medgen's data in the forms of MONAI: a transform from a file to its crop, and a data set of dictionaries.

The crop of a file here is, bit for bit, what `prepare` would store of it. `field/transforms.py` has reader and crop apart, for a
`Compose` that does something in between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.data.dataset import Dataset
from monai.transforms.transform import MapTransform

from medgen.data.dataset import Overlay, make_batch
from medgen.data.field.transforms import path_under
from medgen.data.native.addresses import ReadSettings, open_dataset
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.crop_file import crop_file
from medgen.data.source_file import SourceFile
from medgen.errors import ConfigError, DataError, ImageError, did_you_mean

SPLITS = ("train", "val", "test", "unused", "all")


class LoadCropd(MapTransform):
    """Read each path and cut the field of view out of its frame, as `medgen prepare` does: (C, S, S) float32 in [0, 1].

    Parameters
    ----------
    keys : of paths; each key with `valid_suffix` behind it gets (1, S, S) bool, True where the pixel shows tissue
    settings : names and values of `PrepareSettings` ("size", "intensity", ...), those of a run's data set for frames that the run
        is to see; of its `intensity_range`, which a single file cannot say, None shows the whole range of a file's type
    frame_key : where an item has it, the frame of its file that is meant, from 0, or -1 for the only one
    """

    def __init__(
        self,
        keys: KeysCollection,
        settings: Mapping[str, Any] | None = None,
        valid_suffix: str = "_valid",
        frame_key: str = "frame",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.settings = PrepareSettings.parse(dict(settings or {}), "LoadCropd")
        self.valid_suffix, self.frame_key = valid_suffix, frame_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        stated = int(result.get(self.frame_key, -1))
        frame = stated if stated >= 0 else None
        for key in self.key_iterator(result):
            path = path_under(key, result[key])
            entry = SourceFile(path, path.as_posix(), "", "", "", "", frame=frame)
            try:
                first, *more = islice(crop_file(entry, self.settings, b""), 2)
            except ImageError as error:
                raise DataError(f"'{path}': {error}") from error
            if more:
                raise DataError(f"'{path}' holds several frames; say which under the key '{self.frame_key}', from 0")
            pixels = torch.from_numpy(first.pixels).permute(2, 0, 1).float().div_(255)  # (S, S, C) -> (C, S, S)
            result[key] = pixels
            result[f"{key}{self.valid_suffix}"] = torch.from_numpy(first.valid[None])  # (1, S, S)
        return result


class PreparedSet(Dataset):
    """A data set as a MONAI `Dataset`, for its `DataLoader`, `CacheDataset` and transforms.

    Each item has "image" (C, S, S) float32 in [0, 1], 0 where not valid; "valid" (1, S, S) bool; "mask" (1, S, S) bool, True on
    annotated findings; "annotated", whether the mask says anything; "label", 0 normal, 1 abnormal, -1 unknown; "finding", "group"
    and "path", texts of the table; "index", the row.

    Parameters
    ----------
    dataset : a prepared data set, or an address such as ``folder:DIR``, or one that is opened already
    split : "train", "val", "test", "unused" or "all"; frames of the first two are normal
    transform : called with each item
    overlay : "keep" calls all pixels valid
    reading : how an address is read

    Raises
    ------
    ConfigError : if there is no such split.
    DataError : if there is no such data set, or the split has no frames.
    """

    def __init__(
        self,
        dataset: Path | str | Prepared,
        split: str = "train",
        transform: Callable[[dict[str, Any]], Any] | None = None,
        overlay: Overlay = "mask",
        reading: ReadSettings | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ConfigError(f"there is no split '{split}'; {did_you_mean(split, SPLITS)}")
        self.prepared = dataset if isinstance(dataset, Prepared) else open_dataset(dataset, reading)
        self.overlay = overlay
        rows = self.prepared.rows() if split == "all" else self.prepared.rows(split)
        if not len(rows):
            raise DataError(f"'{self.prepared.address}' has no frames in split '{split}'")
        super().__init__(rows.tolist(), transform)

    def _transform(self, index: int) -> Any:
        row = int(self.data[index])
        batch = make_batch(self.prepared, np.array([row]), self.overlay)
        about = self.prepared.index.iloc[row]
        assert batch.label is not None
        item: dict[str, Any] = {
            "image": batch.image[0],
            "valid": batch.valid[0],
            "mask": torch.zeros_like(batch.valid[0]) if batch.mask is None else batch.mask[0],
            "annotated": bool(about["annotated"]),
            "label": int(batch.label[0]),
            **{name: str(about[name]) for name in ("finding", "group", "path")},
            "index": row,
        }
        return item if self.transform is None else self.transform(item)
