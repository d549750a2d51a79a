"""BraTS (https://www.synapse.org/brats): a folder for each case with a volume of each sequence and the segmentation, ``_seg``.

Names are those of 2017 to 2021 (BraTS2021_00000_flair.nii.gz, t1, t1ce, t2) or of 2023 on (BraTS-GLI-00000-000-t2f.nii.gz, t1n,
t1c, t2w). Of the four sequences FLAIR is read, in which the whole tumour is bright. A slice is abnormal where the segmentation
marks something. Examinations of one patient (BraTS-GLI-00000-000 and -001) belong together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from medgen.data.source_file import Listing, MaskFile, SourceFile
from medgen.data.tree.walk import children, files_below, no_images, roots

ORDER = 22
MEANING = "BraTS: FLAIR of each case, slices labelled by its segmentation"
VOLUME = re.compile(r"(?P<case>.+?)[-_](?P<sequence>flair|t1|t1ce|t2|t1n|t1c|t2f|t2w|seg)\.nii(\.gz)?", re.IGNORECASE)
READ = ("flair", "t2f")
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
    files = files_below(source)
    cases: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    for path in files:
        if match := VOLUME.fullmatch(path.name):
            cases[path.parent, match["case"]][match["sequence"].lower()] = path
    entries, others, missing = [], 0, 0
    for (_, case), volumes in cases.items():
        read_one = next((sequence for sequence in READ if sequence in volumes), "")
        others += len(volumes) - bool(read_one) - ("seg" in volumes)
        if not read_one:
            missing += 1
            continue
        path = volumes[read_one]
        masks = (MaskFile(volumes["seg"]),) if "seg" in volumes else ()
        match = EXAMINATION.fullmatch(case)
        related = (f"folder:{match['patient']}",) if match else ()
        file = path.relative_to(source).as_posix()
        entries.append(
            SourceFile(path, file, "", "tumour" if masks else "", "", "", masks, (), bool(masks), None, related, bool(masks))
        )
    if not entries:
        raise no_images(source, len(files), 0)
    notes = [f"FLAIR is read; {others} volumes of other sequences are left out; a manifest.csv may name them"] if others else []
    notes += [f"{missing} cases have no FLAIR and are left out"] if missing else []
    return Listing(entries, notes)
