"""What a study should know of its data before it begins: classes, sizes, unreadable files, duplicates, traps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.field.contour import crop
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.alike.duplicates import dhash, digest, exact_duplicates, near_duplicates, thumbnail
from medgen.data.preparing.alike.likeness import SIDE
from medgen.data.preparing.crop_file import header_facts
from medgen.data.preparing.groups import count_groups, find_groups, find_owners, group_key
from medgen.data.preparing.left_over import left_over
from medgen.data.preparing.parallel import in_order
from medgen.data.preparing.size_trap import size_sentences
from medgen.data.preparing.source_frames import counted, opened_source
from medgen.data.preparing.survey import survey
from medgen.data.preparing.tally import level_sentences, mask_sentences
from medgen.data.scorable import LEAST_VALID, is_one_colour, left_out, likeness, noise_sentence
from medgen.data.source_file import SourceFile
from medgen.data.sources import check_splits, layout_of, list_source
from medgen.errors import DataError, ImageError, number_of
from medgen.files import write_csv
from medgen.outputs.folder import check_folder, named_place, output_folder
from medgen.types import OnProgress, Progress, no_progress

COMPARED = 96  # side in pixels of the square in the field of view by which frames are compared
TABLES = ("classes", "sizes", "groups", "rejected", "duplicates")
FILES = tuple(f"{name}.csv" for name in TABLES)  # as they are written


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The statistics of one source; every table is sorted and the same on every machine.

    Attributes
    ----------
    source : what was inspected
    layout : how its folders were understood, in a few words
    classes : finding, label, split, frames
    sizes : finding, width, height (pixels), frames; the most frequent size of a finding first
    groups : kind (`groups.KINDS`), groups, frames: by what frames are kept in one split
    rejected : file, reason, kind: "rejected" for what should be an image, "ignored" for what is none
    duplicates : kind (exact, near), file, other, split, other_split, across_splits, distance (bits between the hashes).
        Of files with several frames, the middle ones are compared.
    read : files that could be read
    warnings : what may spoil a study, a sentence each; the gravest first
    settings : how it would be prepared, with what holds for the whole data set (`medgen.data.preparing.survey`)
    intensity : which values are black and white, in words
    understood : how files were understood that could be otherwise ("axes NHW"), with their counts
    """

    source: Path
    layout: str
    classes: pd.DataFrame
    sizes: pd.DataFrame
    groups: pd.DataFrame
    rejected: pd.DataFrame
    duplicates: pd.DataFrame
    read: int
    warnings: list[str]
    settings: PrepareSettings
    intensity: str
    understood: Mapping[str, int]

    def write(self, out: Path) -> None:
        """Write each table as a CSV of its name into the folder `out`, each whole or not at all."""
        with output_folder(out, "inspect", FILES, of=_made_of(self.source, out)):
            for name in TABLES:
                write_csv(out / f"{name}.csv", getattr(self, name))


def check_tables(source: Path, out: Path) -> None:
    """Refuse a folder into which neither tables nor pictures of what is inspected can be written, before anything is read.

    Raises
    ------
    FolderError : if `out` holds something else, or what was found of another source.
    """
    check_folder(out, "inspect", FILES, of=_made_of(source, out))


def _made_of(source: Path, out: Path) -> dict[str, str]:
    return {"data": named_place(source.resolve().name, source, out)}


@dataclass(frozen=True, slots=True)
class _Look:
    """What is kept of one file."""

    entry: SourceFile
    reason: str = ""  # why it cannot be read, or ""
    sizes: tuple[tuple[int, int, int], ...] = ()  # width, height and channels of each frame
    frames: tuple[dict[str, str | int], ...] = ()  # of each: path, label, finding, and what `tally` counts
    digest: str = ""
    hash: int = 0
    thumbnail: NDArray[np.uint8] | None = None
    related: tuple[str, ...] = ()  # what it belongs to
    blank: int = 0  # frames that show too little to be scored
    understood: str = ""  # how the file was understood, where that could have been otherwise
    likeness: float = float("nan")  # of pixels of its middle frame that are near each other (`content.likeness`)


def inspect_source(
    source: Path,
    on_progress: OnProgress = no_progress,
    assume: str = "",
    workers: int | None = None,
    group_names: bool = True,
    settings: PrepareSettings | None = None,
) -> Inspection:
    """Read every file of a source and its masks, and count.

    Parameters
    ----------
    source : folder, .csv or image
    assume : label of the images whose label the source does not say
    workers : threads; None is one for each core. The result is the same for any.
    group_names : whether a common stem with a running number keeps frames together
    settings : how it is to be prepared: intensity, overlay, axes, modality and mask values count here

    Raises
    ------
    DataError : if the source holds no images.

    Examples
    --------
    >>> inspection = api.inspect(FRAMES)
    >>> int(inspection.classes["frames"].sum()), len(inspection.rejected)
    (56, 0)
    """
    settings = settings or PrepareSettings()
    listing = list_source(source, assume, group_names, settings.modality)
    entries = listing.entries
    found = survey(entries, settings.of(listing.axes), workers)
    looks = []
    key = group_key(entry.file for entry in entries)
    for look in in_order(lambda entry: _look(entry, found.settings, key), entries, workers):
        looks.append(look)
        on_progress(Progress("inspect", len(looks), len(entries)))
    good = [look for look in looks if not look.reason]
    unread = left_over(source, listing)
    failed = [(look.entry.file, look.reason, "rejected") for look in looks if look.reason]
    rejected = pd.concat([pd.DataFrame(failed, columns=unread.columns), unread], ignore_index=True)
    duplicates = _duplicates(good)
    warnings = [*_warn_of_files(looks), *_warn_of_labels(good), *_warn_of_duplicates(good, duplicates), *_warn_of_frames(good)]
    warnings += listing.notes
    tables = (_classes(good), _sizes(good), _groups(good), rejected, duplicates)
    return Inspection(
        source,
        layout_of(source).MEANING,
        *tables,
        len({look.entry.path for look in good}),
        warnings,
        settings=found.settings,
        intensity=found.intensity,
        understood=Counter(sorted(look.understood for look in good if look.understood)),
    )


def _look(entry: SourceFile, settings: PrepareSettings, key: bytes) -> _Look:
    try:
        sha = digest(entry.path) + (f"#{entry.frame}" if entry.frame is not None else "")
        sizes, frames, blank = [], [], 0
        with opened_source(entry, settings) as (content, pictures):
            facts, middle = header_facts(entry, content, key), content.total // 2
            for number, frame in enumerate(pictures):
                sizes.append((frame.picture.width, frame.picture.height, frame.picture.channels))
                frames.append({"label": frame.label, "finding": frame.finding, **counted(entry, frame)})
                cropped, _ = crop(frame.picture, COMPARED, rules=settings.overlay)
                blank += bool(cropped.valid.mean() < LEAST_VALID) or is_one_colour(cropped.pixels, cropped.valid)
                if number in (0, middle):
                    small, alike = cropped.pixels, likeness(cropped.pixels, cropped.valid, cropped.box.width)
    except ImageError as error:
        return _Look(entry, str(error))
    about = (sha, dhash(small), thumbnail(small), tuple(facts.related), blank, facts.understood, alike)
    return _Look(entry, "", tuple(sizes), tuple(frames), *about)


def _classes(looks: Sequence[_Look]) -> pd.DataFrame:
    counts: Counter[tuple[str, str, str]] = Counter()
    for look in looks:
        for frame in look.frames:
            counts[str(frame["finding"]), str(frame["label"]), look.entry.split] += 1
    return pd.DataFrame(
        [(*key, frames) for key, frames in sorted(counts.items())], columns=["finding", "label", "split", "frames"]
    )


def _sizes(looks: Sequence[_Look]) -> pd.DataFrame:
    counts = Counter((look.entry.finding, width, height) for look in looks for width, height, _ in look.sizes)
    rows = sorted(((*key, frames) for key, frames in counts.items()), key=lambda row: (row[0], -row[3], row[1:3]))
    return pd.DataFrame(rows, columns=["finding", "width", "height", "frames"])


def _groups(looks: Sequence[_Look]) -> pd.DataFrame:
    """Count the groups into which `prepare` would put the frames."""
    stated, related = [look.entry.group for look in looks], [look.related for look in looks]
    hashes = np.array([look.hash for look in looks], dtype=np.uint64)
    thumbnails = np.array([look.thumbnail for look in looks], dtype=np.uint8).reshape(-1, SIDE, SIDE, 3)
    alike = near_duplicates(hashes, thumbnails=thumbnails, owners=find_owners(stated, related))
    groups = find_groups(stated, related, [look.entry.file for look in looks], alike)
    return count_groups(groups, [bool(group) for group in stated], [len(look.sizes) for look in looks])


def _duplicates(looks: Sequence[_Look]) -> pd.DataFrame:
    digests = [look.digest for look in looks]
    hashes = np.array([look.hash for look in looks], dtype=np.uint64)
    rows = [("exact", first, other) for first, other in exact_duplicates(digests)]
    if looks:
        thumbnails = np.stack([look.thumbnail for look in looks if look.thumbnail is not None])
        near = near_duplicates(hashes, thumbnails=thumbnails)
        rows += [("near", first, other) for first, other in near if digests[first] != digests[other]]
    columns = ["kind", "file", "other", "split", "other_split", "across_splits", "distance"]
    return pd.DataFrame([_pair(looks, hashes, *row) for row in rows], columns=columns)


def _pair(looks: Sequence[_Look], hashes: NDArray[np.uint64], kind: str, first: int, other: int) -> tuple[object, ...]:
    a, b = looks[first].entry, looks[other].entry
    across = bool(a.split and b.split and a.split != b.split)
    return kind, a.file, b.file, a.split, b.split, across, int(np.bitwise_count(hashes[first] ^ hashes[other]))


def _warn_of_files(looks: Sequence[_Look]) -> Iterator[str]:
    if rejected := sum(bool(look.reason) for look in looks):
        yield f"{rejected} of {len(looks)} files cannot be used; rejected.csv says why"
    try:
        check_splits([look.entry for look in looks])
    except DataError as error:
        yield str(error)


def _warn_of_labels(looks: Sequence[_Look]) -> Iterator[str]:
    frames: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for look in looks:
        frames.update(str(frame["label"]) for frame in look.frames)
        unknown.update(str(frame["finding"] or "no finding") for frame in look.frames if not frame["label"])
    if not frames["normal"]:
        yield "no frame is labelled normal, and models learn from normal frames alone"
    if not frames["abnormal"]:
        yield "no frame is labelled abnormal: a model can be trained and its threshold set, but not evaluated"
    if unknown:
        names = ", ".join(f"{name} {count}" for name, count in unknown.most_common(5))
        yield f"{number_of(frames[''], 'frame has', 'frames have')} no label, neither normal nor abnormal ({names})"
    abnormal = [look for look in looks if look.entry.label == "abnormal"]
    bare = sum(not look.entry.annotated for look in abnormal)
    if 0 < bare < len(abnormal):
        yield f"{bare} of {len(abnormal)} abnormal files have no mask"
    if looks:
        table = pd.DataFrame([frame for look in looks for frame in look.frames])
        yield from (*mask_sentences(table), *level_sentences(table))


def _pairs(one: str, several: str) -> tuple[str, str]:
    return f"pair of exact or near duplicates {one}", f"pairs of exact or near duplicates {several}"


def _warn_of_duplicates(looks: Sequence[_Look], duplicates: pd.DataFrame) -> Iterator[str]:
    entries = {look.entry.file: look.entry for look in looks}
    pairs = [(entries[file], entries[other]) for file, other in zip(duplicates["file"], duplicates["other"], strict=True)]
    if across := int(duplicates["across_splits"].sum()):
        yield f"{number_of(across, *_pairs('lies', 'lie'))} in different splits, so that the test is too easy"
    if apart := sum(not a.group or a.group != b.group for a, b in pairs):
        yield f"{number_of(apart, *_pairs('has', 'have'))} no common group; give them one, they are not independent"
    exact = [pair for pair, kind in zip(pairs, duplicates["kind"], strict=True) if kind == "exact"]
    if exact:
        yield f"{number_of(len(exact), 'file is an exact copy', 'files are exact copies')} of another"
    torn = [(a.file, b.file) for a, b in exact if {a.label, b.label} == {"normal", "abnormal"}]
    if torn:
        labelled = number_of(len(torn), "file is labelled", "files are labelled")
        yield f"{labelled} both normal and not, the first '{torn[0][0]}' and '{torn[0][1]}'"


def _warn_of_frames(looks: Sequence[_Look]) -> Iterator[str]:
    if blank := [look.entry.file for look in looks if look.blank]:
        which = left_out(sum(look.blank for look in looks), sum(len(look.sizes) for look in looks), "frames", blank)
        yield f"{which}; such frames get no score and have no part in a training"
    normal = [look for look in looks if any(frame["label"] == "normal" for frame in look.frames)]
    if noise := noise_sentence([look.likeness for look in normal or looks]):
        yield noise
    sizes: dict[str, list[tuple[int, int, int]]] = {"normal": [], "abnormal": [], "": []}
    for look in looks:
        sizes[look.entry.label] += look.sizes
    if sizes["normal"] and sizes["abnormal"]:
        yield from size_sentences(np.array(sizes["normal"]), np.array(sizes["abnormal"]))
    channels = Counter(size[2] for frames in sizes.values() for size in frames)
    if len(channels) > 1:
        grey = number_of(channels[1], "frame is grey", "frames are grey")
        yield f"{grey} and {channels[3]} in colour: a model can score the camera instead of the finding"
