"""MedMNIST and MedMNIST+ (Yang et al. 2023, https://doi.org/10.1038/s41597-022-01721-8): one .npz, or a folder of them.

``train_images``, ``val_images`` and ``test_images`` are frames (N, S, S) or (N, S, S, 3), or volumes (N, D, S, S), whose slices
are frames with the label of the volume. A finding is the number of a class; of a set with several labels for an image
(ChestMNIST) the numbers of all that are set, "1+4", or "none". What is normal, `NORMAL` says; of other sets nothing has a
label. Frames to learn from that are not normal are "unused".
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.images import is_image
from medgen.data.source_file import Listing, SourceFile
from medgen.data.tree.walk import is_hidden
from medgen.errors import DataError

ORDER = 9
MEANING = "MedMNIST: frames or volumes of three splits in one file"
SPLITS = ("train", "val", "test")
NONE = "none"
NORMAL: Mapping[str, str] = MappingProxyType(
    {
        "pneumoniamnist": "0", "breastmnist": "1", "octmnist": "3", "retinamnist": "0", "chestmnist": NONE,
        "adrenalmnist3d": "0", "vesselmnist3d": "0",
    }
)  # fmt: skip
"""The class that the authors call normal ("normal, benign" in BreastMNIST), without disease (grade 0 in RetinaMNIST, no label in
ChestMNIST) or healthy (vessel, not aneurysm), for the sets that have one. Of the others the user has to say what is normal."""


def medmnist_normal(path: Path) -> str:
    """Return the finding that is normal in a set, known by the file's name (pneumoniamnist_64.npz), or ''."""
    return NORMAL.get(path.stem.lower().partition("_")[0], "")


def medmnist_findings(labels: NDArray[Any]) -> NDArray[np.str_]:
    """Return a finding for each row of labels, (N,), (N, 1) or, with 1 for each that is set, (N, K)."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        names = ["+".join(map(str, np.flatnonzero(row))) or NONE for row in labels]
        return np.array(names, dtype=np.str_)
    return np.array([str(number) for number in labels.ravel().tolist()], dtype=np.str_)


def recognises(source: Path) -> bool:
    """Tell one such file, or a folder that holds no other image."""
    return bool(_files(source))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if _is_medmnist(source) else []
    found = []
    try:
        for child in source.iterdir():
            if is_hidden(child.name) or not (child.is_dir() or is_image(child)):
                continue
            if not _is_medmnist(child):  # of a million files in a folder, the first says it mostly
                return []
            found.append(child)
    except OSError:
        return []
    return sorted(found)


def _is_medmnist(path: Path) -> bool:
    if path.suffix.lower() != ".npz":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
    return {f"{split}_{what}.npy" for split in SPLITS for what in ("images", "labels")} <= names


def read(source: Path) -> Listing:
    """Return every frame of every split.

    Raises
    ------
    DataError : naming the file that is damaged.
    """
    files = _files(source)
    notes = []
    for path in files:
        if not (normal := medmnist_normal(path)):
            notes.append(f"'{path.name}': nothing says which class is normal; list frames and labels in a manifest.csv")
        else:
            notes.append(f"'{path.name}': finding '{normal}' is normal, all others are abnormal")
    return Listing([entry for path in files for entry in _entries(path)], notes)


def _entries(path: Path) -> list[SourceFile]:
    normal = medmnist_normal(path)
    entries: list[SourceFile] = []
    try:
        with np.load(path, allow_pickle=False) as archive:
            for split in SPLITS:
                depth = _depth(path, split)
                for number, finding in enumerate(medmnist_findings(archive[f"{split}_labels"]).tolist()):
                    label = "" if not normal else "normal" if finding == normal else "abnormal"
                    placed = "unused" if split != "test" and label == "abnormal" else split if label else ""
                    group = f"{path.stem} {split} {number}"
                    for _ in range(depth):
                        frame = len(entries)
                        file = f"{path.name}#{frame}"
                        entries.append(SourceFile(path, file, label, finding, placed, group, frame=frame))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read '{path}': {error}; fetch it again") from None
    return entries


def _depth(path: Path, split: str) -> int:
    """Return how many frames an item of a split has: the slices of a volume, or one."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{split}_images.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape = read_header(file)[0]
    return shape[1] if len(shape) == 4 and shape[3] not in (1, 3) else 1
