"""The Medical Segmentation Decathlon (Antonelli et al. 2022) and nnU-Net (Isensee et al. 2021).

Volumes lie in ``imagesTr`` and ``imagesTs``, masks in ``labelsTr``. A volume has the name of its mask; in nnU-Net's, a channel
of four digits behind it (_0000). In the Decathlon's, channels are the fourth dimension of the volume. ``dataset.json`` says what
they are called; one is read, the first unless another is asked for. A slice is abnormal where its mask marks something. Volumes
without a mask (imagesTs) have no label. What the numbers in the masks mean is in ``dataset.json``, too. Volumes of one patient
(patient001_frame01 and patient001_frame12 of ACDC) belong together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from medgen.data.images import is_image, stem_of
from medgen.data.source_file import MARKED, Listing, MaskFile, SourceFile
from medgen.data.tree.related import with_relations
from medgen.data.tree.tables import read_json_file
from medgen.data.tree.walk import files_below, folders_of, no_images, outside, roots
from medgen.errors import DataError, did_you_mean, number_of

ORDER = 21
MEANING = "volumes in imagesTr and labelsTr, as in MSD and nnU-Net"
CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
PARTS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs", "imagesVal": "labelsVal"}


def _known(folder: Path) -> bool:
    return (folder / "imagesTr").is_dir()


def recognises(source: Path) -> bool:
    """Tell a folder with imagesTr, at most two levels further down."""
    return bool(roots(source, _known, depth=2))


def read(source: Path) -> Listing:
    """Return the volumes of all parts, their first channel.

    Raises
    ------
    DataError : if there is no volume, or the folder is a prepared data set or cannot be read.
    """
    return read_modality(source, "")


def read_modality(source: Path, modality: str) -> Listing:
    """Return the volumes of all parts, the channel that ``dataset.json`` calls so.

    Raises
    ------
    DataError : if there is no such channel or no volume, data sets of one source have it at different places, or the folder is a
        prepared data set or cannot be read.
    """
    files = files_below(source)
    sets = [_data_set(source, root, files, modality) for root in roots(source, _known, depth=2)]
    entries = [entry for found in sets for entry in found.entries]
    if not entries:
        raise no_images(source, len(files), 0)
    axes = sorted({found.axes for found in sets if found.axes})
    if len(axes) > 1:
        raise DataError(
            f"'{source}' holds data sets with '{modality}' at different places of the fourth dimension; read one of them"
        )
    others = {path: reason for found in sets for path, reason in found.others.items()}
    used = {path for entry in entries for path in (entry.path, *(mask.path for mask in entry.masks))}
    strays = [path for path in files if path not in used and path not in others and is_image(path)]
    others |= dict.fromkeys(strays, "lies outside of imagesTr, imagesTs and imagesVal")
    notes = [note for found in sets for note in found.notes]
    notes += [outside(source, strays, "lie outside of imagesTr, imagesTs and imagesVal")] if strays else []
    return Listing(entries, notes, others, axes[0] if axes else "")


def _data_set(source: Path, root: Path, files: list[Path], modality: str) -> Listing:
    """Return the volumes of one data set; what lies beside its folders is not spoken of."""
    inside = [path for path in files if path.is_relative_to(root) and is_image(path)]
    images = [path for path in inside if _part(path, root)]
    masks = {(path.parent.name, stem_of(path)): path for path in inside if path.parent.name in PARTS.values()}
    names = _names(root, "channel_names") or _names(root, "modality")
    channel = _channel(root, names, modality)
    labels = _labels(root)
    finding = next(iter(labels.values())) if len(labels) == 1 else MARKED
    entries, left_out = [], {}
    cases: dict[str, str] = {}  # what each file is called without its channel
    one_by_one = False  # whether each channel is a file of its own
    for path in images:
        part, stem, match = PARTS[_part(path, root)], stem_of(path), CHANNEL.fullmatch(stem_of(path))
        mask = masks.pop((part, stem), None)
        if mask is None and match and (not names or int(match["channel"]) in names):  # la_0007 may be the name of a volume
            one_by_one = True
            if int(match["channel"]) != channel:
                left_out[path] = f"another channel than {channel:04}"
                continue
            mask = masks.pop((part, match["case"]), None)
            stem = match["case"]
        file = path.relative_to(source).as_posix()
        cases[file] = stem
        marked = (MaskFile(mask),) if mask else ()
        entries.append(
            SourceFile(
                path, file, "", finding if marked else "", "", "", marked, annotated=bool(marked), label_by_mask=bool(marked)
            )
        )
    notes = [*_notes(root.name, names, channel, len(left_out)), *_mask_notes(root, len(masks))]
    left_out |= dict.fromkeys(masks.values(), "a mask without a volume of its name")
    entries = with_relations(entries, name_of=lambda entry: cases[entry.file])
    return Listing(entries, notes, left_out, f"HWN{channel}" if len(names) > 1 and not one_by_one else "")


def _notes(name: str, names: Mapping[int, str], channel: int, others: int) -> Iterator[str]:
    """Yield which channel is read, where there are several, and of which files."""
    if len(names) > 1 or others:
        which = f"{names[channel]}, channel {channel:04}" if channel in names else f"channel {channel:04}"
        files = f"; {number_of(others, 'file of another channel is', 'files of other channels are')} left out" if others else ""
        listed = f"; --modality takes another of {', '.join(names.values())}" if len(names) > 1 else ""
        yield f"'{name}': {which} of each volume is read{files}{listed}"


def _mask_notes(root: Path, lost: int) -> Iterator[str]:
    """Yield what is to be known of the masks, `lost` of which have no volume."""
    if lost:
        are = number_of(lost, "mask has no volume of its name and is", "masks have no volume of their name and are")
        yield f"'{root.name}': {are} left out"
    labels = _labels(root)
    if len(labels) > 1:
        meaning = ", ".join(f"{number} {name}" for number, name in labels.items())
        yield f"'{root.name}': the masks hold {meaning}; all but 0 is taken for a finding, unless its numbers are named"


def _part(path: Path, root: Path) -> str:
    """Return which of the folders of images a file lies in, or ''."""
    return next((folder for folder in folders_of(path, root) if folder in PARTS), "")


def _channel(root: Path, names: Mapping[int, str], modality: str) -> int:
    """Return the number of a channel by its name, the first one without one."""
    if not modality:
        return min(names, default=0)
    found = [number for number, name in names.items() if name.lower() == modality.lower()]
    if not found:
        known = did_you_mean(modality, names.values()) if names else "its dataset.json names none"
        raise DataError(f"'{root.name}' has no modality '{modality}'; {known}")
    return found[0]


def _labels(root: Path) -> dict[int, str]:
    """Return the name of each number in the masks but 0."""
    return {number: name for number, name in _names(root, "labels").items() if number}


def _names(root: Path, key: str) -> dict[int, str]:
    """Return the names by their numbers that dataset.json has under a key: MSD and nnU-Net write them either way round."""
    try:
        pairs = [(str(first), str(second)) for first, second in read_json_file(root / "dataset.json")[key].items()]
    except (DataError, AttributeError, KeyError, TypeError):
        return {}
    by_number = [pair for pair in pairs if pair[0].isdigit()] or [(number, name) for name, number in pairs]
    return {int(number): name for number, name in by_number if number.isdigit()}
