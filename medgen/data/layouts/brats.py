"""BraTS (https://www.synapse.org/brats): a folder for each case with a volume of each sequence and the segmentation, ``_seg``.

Names are those of 2017 to 2021 (BraTS2021_00000_flair.nii.gz, t1, t1ce, t2) or of 2023 on (BraTS-GLI-00000-000-t2f.nii.gz, t1n,
t1c, t2w). Of the four sequences FLAIR is read, in which the whole tumour is bright, unless another is asked for. A slice is
abnormal where the segmentation marks something. Examinations of one patient (BraTS-GLI-00000-000 and -001) belong together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from medgen.data.images import is_image
from medgen.data.source_file import Listing, MaskFile, SourceFile
from medgen.data.tree.walk import children, files_below, no_images, outside, roots
from medgen.errors import DataError, did_you_mean

ORDER = 22
MEANING = "BraTS: one sequence of each case, slices labelled by its segmentation"
VOLUME = re.compile(r"(?P<case>.+?)[-_](?P<sequence>flair|t1|t1ce|t2|t1n|t1c|t2f|t2w|seg)\.nii(\.gz)?", re.IGNORECASE)
USUAL = "FLAIR"
SEQUENCES = {
    "flair": USUAL, "t2f": USUAL, "t1": "T1", "t1n": "T1", "t1ce": "T1CE", "t1c": "T1CE", "t1gd": "T1CE", "t2": "T2", "t2w": "T2",
}  # fmt: skip
READ = [key for key, name in SEQUENCES.items() if name == USUAL]  # by which a case is known
EXAMINATION = re.compile(r"(?P<patient>BraTS-[A-Za-z]+-\d+)-\d+")


def _known(folder: Path) -> bool:
    """Tell a folder whose first folders are cases."""
    return any(_is_case(child) for child in children(folder)[:3]) or _is_case(folder)


def _is_case(folder: Path) -> bool:
    try:
        matches = [VOLUME.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:
        return False
    found = {(match["case"], match["sequence"].lower()) for match in matches if match}
    return any((case, sequence) in found for case, _ in found for sequence in READ) and len(found) > 1


def recognises(source: Path) -> bool:
    """Tell a folder of cases, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the FLAIR volume of each case.

    Raises
    ------
    DataError : if there is no such volume, or the folder is a prepared data set or cannot be read.
    """
    return read_modality(source, USUAL)


def read_modality(source: Path, modality: str) -> Listing:
    """Return the volume of a sequence (FLAIR, T1, T1CE or T2, or as files are called: t1n) of each case.

    Raises
    ------
    DataError : if there is no such sequence or volume, or the folder is a prepared data set or cannot be read.
    """
    wanted = SEQUENCES.get(modality.lower())
    if wanted is None:
        raise DataError(
            f"BraTS has no modality '{modality}'; {did_you_mean(modality.upper(), [*dict.fromkeys(SEQUENCES.values())])}"
        )
    files = files_below(source)
    cases: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    strays = []
    for path in files:
        if match := VOLUME.fullmatch(path.name):
            cases[path.parent, match["case"]][match["sequence"].lower()] = path
        elif is_image(path):
            strays.append(path)
    entries = []
    others = dict.fromkeys(strays, "belongs to no case of BraTS, whose volumes are called CASE_flair, CASE_t1, ..., CASE_seg")
    missing = 0
    rest: list[str] = []
    for (_, case), volumes in cases.items():
        found = next((sequence for sequence in volumes if SEQUENCES.get(sequence) == wanted), "")
        if not found:
            missing += 1
            others |= dict.fromkeys(volumes.values(), f"its case has no {wanted}")
            continue
        unread = {sequence: path for sequence, path in volumes.items() if sequence not in (found, "seg")}
        rest += [SEQUENCES[sequence] for sequence in unread]
        others |= dict.fromkeys(unread.values(), f"another sequence than {wanted}")
        entries.append(_entry(source, case, volumes[found], volumes.get("seg")))
    if not entries:
        raise no_images(source, len(files), 0)
    return Listing(entries, [*_notes(source, wanted, rest, missing, strays)], others)


def _entry(source: Path, case: str, path: Path, segmentation: Path | None) -> SourceFile:
    masks = (MaskFile(segmentation),) if segmentation else ()
    match = EXAMINATION.fullmatch(case)
    related = (f"folder:{match['patient']}",) if match else ()
    file = path.relative_to(source).as_posix()
    return SourceFile(path, file, "", "tumour" if masks else "", "", "", masks, (), bool(masks), None, related, bool(masks))


def _notes(source: Path, wanted: str, rest: Sequence[str], missing: int, strays: Sequence[Path]) -> Iterator[str]:
    """Yield what was left out: volumes of the sequences in `rest`, cases without the wanted one, images of no case."""
    if rest:
        others = ", ".join(sorted(set(rest)))
        yield f"{wanted} is read; {len(rest)} volumes of other sequences are left out; --modality takes another of {others}"
    if missing:
        yield f"{missing} cases have no {wanted} and are left out"
    if strays:
        yield outside(source, strays, "belong to no case of BraTS")
