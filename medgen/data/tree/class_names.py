"""The names that folders of data sets have, and what each means: a class, its label, a split, a mere container, a patient."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

NORMAL = (
    "normal", "good", "healthy", "notumor", "no-tumor",
    "normal-cecum", "normal-pylorus", "normal-z-line",  # Kvasir v1 and v2
    "cecum", "ileum", "pylorus", "z-line", "retroflex-rectum", "retroflex-stomach", "bbps-2-3",  # HyperKvasir
    "normal-clean-mucosa", "ileocecal-valve", "ampulla-of-vater",  # Kvasir-Capsule
)  # fmt: skip
ABNORMAL = (
    "abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects", "defective", "disease", "diseased", "lesion",
    "lesions", "pathological", "ungood", "tumor", "tumour", "logical-anomalies", "structural-anomalies",
    "polyp", "polyps", "esophagitis", "esophagitis-a", "esophagitis-b-d", "barretts", "barretts-short-segment", "hemorrhoids",
    "ulcerative-colitis", "ulcerative-colitis-grade-0-1", "ulcerative-colitis-grade-1", "ulcerative-colitis-grade-1-2",
    "ulcerative-colitis-grade-2", "ulcerative-colitis-grade-2-3", "ulcerative-colitis-grade-3",
    "angiectasia", "angioectasia", "blood-fresh", "blood-hematin", "erosion", "erythema", "lymphangiectasia", "ulcer",
)  # fmt: skip
UNKNOWN = (
    "bbps-0-1", "impacted-stool", "dyed-lifted-polyps", "dyed-resection-margins", "unlabeled-images",
    "reduced-mucosal-view", "foreign-body",
)  # fmt: skip

FINDINGS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(NORMAL, "normal") | dict.fromkeys(ABNORMAL, "abnormal") | dict.fromkeys(UNKNOWN, "")
)
"""From a class folder's name, written as `normalised_name` writes it, to 'normal', 'abnormal' or '' (unknown).

Anatomical landmarks and well-prepared mucosa (BBPS 2 to 3, clean mucosa) are normal, as in the papers of Kvasir, HyperKvasir and
Kvasir-Capsule (Pogorelov et al. 2017, Borgli et al. 2020, Smedsrud et al. 2021): they are filed by where they were taken, and no
pathology is marked in them. Pathological findings are abnormal, blood among them. Unknown stay a poor view (BBPS 0 to 1, impacted
stool, reduced view: nothing pathological, but nothing of the mucosa to see), foreign bodies, and treated polyps (dyed: neither
normal tissue nor untreated disease). A name that is not here is unknown, never normal.
"""

SPLITS: Mapping[str, str] = MappingProxyType(
    {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
)
CONTAINER = re.compile(r"(image|images|img|imgs|frame|frames)(-(c|seq)?\d+)?")  # folders that name no finding: images, images_C1
PATIENT = re.compile(
    r"(patient|pat|case|subject|subj|sub|study|series|session|video|vid|clip|sequence|seq|scan|exam|volume|vol)"
    r"(-?[a-z]?\d[\w.-]*|-[a-z])"
)  # folders of one patient, video or examination, whatever stands above them: patient7, case-12, video_b
NUMBERED = re.compile(r".*\d.*")  # one below a class folder


@lru_cache(maxsize=1 << 12)  # many files share their folders
def normalised_name(name: str) -> str:
    """Return a name in lower case with a single - for _, spaces and rows of them, as the keys of `FINDINGS` are."""
    return re.sub(r"[\s_-]+", "-", name.strip().lower())


def label_of(finding: str) -> str:
    """Return what `FINDINGS` says of a finding; '' where it says nothing."""
    return FINDINGS.get(normalised_name(finding), "")


def is_container(folder: str) -> bool:
    """Tell a folder that names no finding, such as images."""
    return CONTAINER.fullmatch(normalised_name(folder)) is not None


def is_patient(folder: str, below_class: bool) -> bool:
    """Tell a folder that is called after a patient, a video or an examination; below a class any number is taken for one."""
    name = normalised_name(folder)
    return PATIENT.fullmatch(name) is not None or (below_class and NUMBERED.fullmatch(name) is not None)


def classes(folders: Sequence[str]) -> list[str]:
    """Return those of nested folders that may name a finding: neither a split nor a mere container."""
    return [folder for folder in folders if normalised_name(folder) not in SPLITS and not is_container(folder)]


def class_depth(named: Sequence[str], common: int | None = None) -> int:
    """Return how many of nested folders lead to the class and name it; what follows are patients, videos and series.

    Parameters
    ----------
    named : the folders that may name a finding, from `classes`
    common : the depth of the known classes of the source, where all have the same

    Returns
    -------
    The innermost folder that `FINDINGS` knows; without one the common depth; else the innermost that is called after no patient.
    """
    known = [depth for depth, folder in enumerate(named, 1) if normalised_name(folder) in FINDINGS]
    if known:
        return known[-1]
    if common is not None and len(named) > common:
        return common
    depth = len(named)
    while depth and is_patient(named[depth - 1], below_class=depth > 1):
        depth -= 1
    return depth


def finding_of(folders: Sequence[str], common: int | None = None) -> str:
    """Return the one of nested folders that names a finding (`class_depth`), or ''."""
    named = classes(folders)
    depth = class_depth(named, common)
    return named[depth - 1] if depth else ""


def patient_of(folders: Sequence[str], common: int | None = None) -> str:
    """Return what nested folders say of the patient or video: its folder with the class above it ("normal/patient7"), or ''."""
    named = classes(folders)
    depth = class_depth(named, common)
    below = named[depth : depth + 1]
    if below and is_patient(below[0], below_class=True):
        return "/".join(named[: depth + 1])
    above = [position for position, folder in enumerate(named[:depth]) if is_patient(folder, below_class=False)]
    return "/".join(named[: above[0] + 1]) if above else ""


def split_of(folders: Sequence[str]) -> str:
    """Return the split that the outermost of nested folders named after one stands for, or ''."""
    return next((SPLITS[normalised_name(folder)] for folder in folders if normalised_name(folder) in SPLITS), "")
