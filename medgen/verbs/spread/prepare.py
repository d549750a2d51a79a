"""Prepare an archive: `prepare` with files that workers of an engine crop, and the same data set to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.assembling.parts import part_file
from medgen.data.preparing.fetching import HERE, Storage
from medgen.data.preparing.prepare import CropJob, Part, prepare
from medgen.errors import MedgenError
from medgen.types import OnProgress, no_progress
from medgen.verbs.spread.on_ray import OnRay
from medgen.verbs.spread.partitions import Partition, Spread, Work, partition
from medgen.verbs.spread.sources import fetched, is_elsewhere, list_archive


@dataclass(frozen=True)
class _Cropping:
    """What a worker is told; called, it returns what crops a partition."""

    job: CropJob

    def __call__(self) -> Work:
        cv2.setNumThreads(1)  # each worker keeps to its core
        return self._crop

    def _crop(self, part: Partition) -> None:
        with fetched(part.root, part.entries, marks=True) as entries:
            self.job((part.number, entries))


def prepare_archive(
    source: str,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    key: Path | None = None,
    shards: int = 0,
    address: str = "",
    spread: Spread | None = None,
    on_progress: OnProgress = no_progress,
) -> Prepared:
    """Write the prepared data set of `source` to `out` as `prepare` does it, cropped on many cores or machines.

    `out`, and the files of a source that is no address, must lie on storage that all machines see at the same place. What is
    found for all frames (black and white, near-duplicates, groups, splits) is found here, before and after the frames are
    cropped. A call that was stopped, with either engine, goes on with the parts that are not there.

    Parameters
    ----------
    source : folder, manifest, pattern or table of paths, or the address of one (`medgen.verbs.spread.sources`)
    out : folder of the data set
    settings : of the data set; None for the defaults
    workers : at a time; None for one a core
    overwrite, key, shards : as for `prepare`
    address : of a Ray cluster; "" starts a Ray on this machine
    spread : what spreads the work instead of Ray

    Raises
    ------
    DataError : as from `prepare`.
    MedgenError : if the storage does not answer.
    ConfigError : if Ray, or what reads such an address, is not installed.

    Examples
    --------
    >>> api.prepare_archive("FRAMES/**/*.dcm", OUT, address="auto")  # doctest: +SKIP
    """
    settings = settings or PrepareSettings()
    engine = spread or OnRay(address)
    given: Path = Path(source)
    listing, storage = None, HERE
    if is_elsewhere(source):
        archive = list_archive(source, settings.assume, settings.group_names, settings.modality)
        listing, storage = archive.listing, Storage(archive.root, archive.states, archive.unread, partial(fetched, archive.root))
    crop = partial(_crop_parts, engine, workers, storage.address)
    return prepare(listing or given, out, settings, None, overwrite, on_progress, key, crop, shards, storage)


def _crop_parts(engine: Spread, workers: int | None, root: str, job: CropJob, parts: Iterable[Part]) -> Iterator[int]:
    """Have all parts cropped that are not there; yield how many files each stands for.

    Raises
    ------
    MedgenError : if a worker says that a part is done which is not here.
    """
    job = CropJob(job.parts.resolve(), job.settings, job.secret, job.nameless)
    all_parts = [partition(*part, root) for part in parts]
    left = [part for part in all_parts if not part_file(job.parts, part.number).exists()]
    yield sum(len(part.entries) for part in all_parts) - sum(len(part.entries) for part in left)
    for number in engine(_Cropping(job), left, workers=workers, device="cpu") if left else ():
        if not part_file(job.parts, number).exists():
            raise MedgenError(f"part {number} was done and is not in '{job.parts}': all machines must see this folder")
        yield len(all_parts[number].entries)
