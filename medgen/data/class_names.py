"""The names that folders of data sets have, and what each means: a class, its label, a split, a mere container, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

NORMAL = (
    "normal", "good", "healthy",
    "normal-cecum", "normal-pylorus", "normal-z-line",  # Kvasir v1 and v2
    "cecum", "ileum", "pylorus", "z-line", "retroflex-rectum", "retroflex-stomach", "bbps-2-3",  # HyperKvasir
)  # fmt: skip
ABNORMAL = (
    "abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects", "defective", "disease", "diseased", "lesion",
    "lesions", "pathological",
    "polyp", "polyps", "esophagitis", "esophagitis-a", "esophagitis-b-d", "barretts", "barretts-short-segment", "hemorrhoids",
    "ulcerative-colitis", "ulcerative-colitis-grade-0-1", "ulcerative-colitis-grade-1", "ulcerative-colitis-grade-1-2",
    "ulcerative-colitis-grade-2", "ulcerative-colitis-grade-2-3", "ulcerative-colitis-grade-3",
)  # fmt: skip
UNKNOWN = ("bbps-0-1", "impacted-stool", "dyed-lifted-polyps", "dyed-resection-margins", "unlabeled-images")

FINDINGS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(NORMAL, "normal") | dict.fromkeys(ABNORMAL, "abnormal") | dict.fromkeys(UNKNOWN, "")
)
"""From a class folder's name, written as `normalised_name` writes it, to 'normal', 'abnormal' or '' (unknown).

Anatomical landmarks and well-prepared mucosa (BBPS 2 to 3) are normal, as in the Kvasir papers (Pogorelov et al. 2017,
Borgli et al. 2020): they are filed by where they were taken, and no pathology is marked in them. Pathological findings are
abnormal. Unknown stay poorly prepared bowel (BBPS 0 to 1, impacted stool: nothing pathological, but nothing of the mucosa to
see) and treated polyps (dyed: neither normal tissue nor untreated disease). A name that is not here is unknown, never normal.
"""

SPLITS: Mapping[str, str] = MappingProxyType(
    {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
)
CONTAINERS = frozenset({"image", "images", "img", "imgs", "frame", "frames"})  # folders that name no finding
MASKS = frozenset({"mask", "masks", "ground-truth", "groundtruth"})


def normalised_name(name: str) -> str:
    """Return a name in lower case with - for _ and space, as the keys of `FINDINGS` are."""
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def label_of(finding: str) -> str:
    """Return what `FINDINGS` says of a finding; '' where it says nothing."""
    return FINDINGS.get(normalised_name(finding), "")


def classes(folders: Sequence[str]) -> list[str]:
    """Return those of nested folders that may name a finding: neither a split nor a mere container."""
    return [folder for folder in folders if normalised_name(folder) not in SPLITS and normalised_name(folder) not in CONTAINERS]


def finding_of(folders: Sequence[str]) -> str:
    """Return the innermost of nested folders that names a finding, or ''."""
    return next(reversed(classes(folders)), "")


def split_of(folders: Sequence[str]) -> str:
    """Return the split that the outermost of nested folders named after one stands for, or ''."""
    return next((SPLITS[normalised_name(folder)] for folder in folders if normalised_name(folder) in SPLITS), "")
