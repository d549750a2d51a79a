"""BMAD (Bao et al. 2024, https://github.com/DorisBao/BMAD): ``train/good``, ``valid`` and ``test`` with ``good`` and ``Ungood``.

Brain, Liver and RESC have their frames in ``img`` and the masks in ``label`` beside it; chest, histopathology and OCT2017 have
frames alone, in ``img`` or directly. Names such as 00003_60.png are a volume and a slice. Abnormal frames of valid are of no
use to models that see normal frames alone: their split is "unused".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.source_file import Listing
from medgen.data.tree.read import read_tree
from medgen.data.tree.walk import children, roots

ORDER = 20
MEANING = "good and Ungood of train, valid and test, as in BMAD"


def _known(folder: Path) -> bool:
    ungood = [child.name for part in ("valid", "test") for child in children(folder / part) if child.name.lower() == "ungood"]
    return (folder / "train" / "good").is_dir() and bool(ungood)


def recognises(source: Path) -> bool:
    """Tell one set of BMAD, or a folder of them."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the frames of all three splits.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    listing = read_tree(source)
    unused = [entry.split in ("train", "val") and entry.label != "normal" for entry in listing.entries]
    entries = [replace(entry, split="unused") if out else entry for entry, out in zip(listing.entries, unused, strict=True)]
    return replace(listing, entries=entries)
