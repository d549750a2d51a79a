"""The layout of MVTec AD and anomalib: ``train/good`` beside ``test``, masks in ``ground_truth``.

What lies in test under a name that `class_names.FINDINGS` does not know is abnormal there: a scratch, a broken edge.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medgen.data.class_names import FINDINGS, normalised_name
from medgen.data.layouts._tree import read_tree
from medgen.data.source_file import SourceFile

ORDER = 20
MEANING = "train/good and test, as in MVTec AD"


def recognises(source: Path) -> bool:
    """Tell a folder that has both."""
    return (source / "train" / "good").is_dir() and (source / "test").is_dir()


def read(source: Path) -> list[SourceFile]:
    """Return the images of train and test.

    Raises
    ------
    DataError : if there is no image, the folder is a prepared data set or cannot be read, or masks do not fit.
    """
    return [_labelled(entry) for entry in read_tree(source)]


def _labelled(entry: SourceFile) -> SourceFile:
    known = not entry.finding or normalised_name(entry.finding) in FINDINGS
    return entry if known or entry.split != "test" else replace(entry, label="abnormal")
