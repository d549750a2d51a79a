"""Score an archive: `score` and `maps` for more files than one process can do, in partitions that an engine spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from medgen.data.preparing.prepare import source_key
from medgen.engine.device import Device
from medgen.errors import ConfigError, MedgenError, RunError
from medgen.files import digest_of, joined_digest, write_csv, write_json
from medgen.outputs.folder import output_folder
from medgen.runs.calibrating.calibrate import decide, renew_calibration
from medgen.runs.made_of import made_of
from medgen.runs.run import CALIBRATION, Run, open_run
from medgen.runs.score_table import RESEARCH
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.score import raw_settings
from medgen.verbs.spread.ledger import Done, Ledger, rejections
from medgen.verbs.spread.on_ray import OnRay
from medgen.verbs.spread.partitions import Partition, Spread, files_at_once, partitions_of
from medgen.verbs.spread.scorer import ScoreJob
from medgen.verbs.spread.sources import Archive, list_archive
from medgen.verbs.spread.tables import give_one_schema, read_part, write_part


@dataclass(frozen=True)
class ScoredArchive:
    """What `score_archive` found; ``archive.json`` says the same.

    Attributes
    ----------
    files, frames : how many were looked at
    scored, abnormal : frames with a score, and above the threshold
    rejected, left_out : files that could not be read, and frames of videos that were not looked at; ``rejected.csv`` says why
    partitions : how many there are, each with a table in ``scores/``
    """

    files: int
    frames: int
    scored: int
    abnormal: int
    rejected: int
    left_out: int
    partitions: int


def score_archive(
    run_folder: Path,
    source: str,
    out: Path,
    *,
    maps: bool = False,
    label: str = "",
    video: str = "",
    device: Device = "auto",
    partition: int | None = None,
    workers: int | None = None,
    address: str = "",
    spread: Spread | None = None,
    on_progress: OnProgress = no_progress,
) -> ScoredArchive:
    """Score the raw frames of an archive on many cores or machines; a call that was stopped goes on with the next partition.

    Each frame gets the numbers that `score` gives it, bit for bit on a processor with one thread. ``scores/`` is one table in
    several Parquet files, in the order of the archive; with `maps`, row k of a file belongs to map k of the array of the same
    name in ``maps/``, and has the place of the crop in its frame. `out` and the run must be folders that all machines see.

    Parameters
    ----------
    run_folder : a trained run
    source : folder, manifest, pattern or table of paths, or the address of one (`medgen.verbs.spread.sources`)
    out : folder for what is written
    maps : keep the map of each crop, too
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
    video : which frames of videos: "seconds:S", "frames:N", "keys" or "all"; "" as the run's data set was prepared
    device : "auto" takes GPUs where the cluster has some, one for each worker
    partition : files in a partition; None for as many as 32 MB of crops and maps are of
    workers : at a time; None for one a core, or GPU
    address : of a Ray cluster; "" starts a Ray on this machine
    spread : what spreads the work instead of Ray

    Raises
    ------
    RunError, DataError : if the run is not trained, or takes frames whole; if there is nothing to score.
    ConfigError : if Ray, pyarrow or what reads an address is not installed.
    FolderError : if `out` holds something else, such as scores of other frames.
    BackendError : if the backend does not know the class, or draws no maps.

    Examples
    --------
    >>> api.score_archive(RUN, "s3://bucket/frames", OUT, address="auto")  # doctest: +SKIP
    """
    engine = spread or OnRay(address)
    if not find_spec("pyarrow"):
        raise ConfigError("tables are written as Parquet by pyarrow, which is not installed: pip install 'medgen[parquet]'")
    run = open_run(run_folder)
    run.require_weights()
    if run.origin.kind:
        raise RunError(
            f"run '{run_folder}' was trained on '{run.origin.kind}:', whose frames are taken whole; archives are scored by runs "
            "on prepared data sets, others by --engine local"
        )
    settings = raw_settings(run, video)
    archive = list_archive(source, settings.assume, settings.group_names, settings.modality)
    settings = settings.of(archive.listing.axes)
    files = partition or files_at_once(settings)
    parts = partitions_of(archive, files)
    frames = joined_digest([source_key(archive.listing.entries, settings), archive.root, *archive.states])
    of = made_of(out, [run], label=label) | {"frames": frames, "partitions": f"of {files} files", "weights": run.weights_digest()}
    with output_folder(out, "maps" if maps else "score", of=of):
        renew_calibration(run, on_progress=on_progress)
        job = ScoreJob(run_folder.resolve(), out.resolve(), settings, label, device, maps)
        done = _all_done(engine, job, parts, workers, on_progress)
        return _joined(run, Ledger(out), archive, parts, done, out)


def _all_done(
    engine: Spread, job: ScoreJob, parts: Sequence[Partition], workers: int | None, on_progress: OnProgress
) -> list[Done]:
    """Have all partitions done that are not; return what became of each.

    Raises
    ------
    MedgenError : if a worker says that one is done whose results are not here.
    """
    ledger = Ledger(job.out)
    done = {part.number: found for part, found in ledger.found(parts)}
    total = sum(len(part.entries) for part in parts)
    before = len(done)

    def show(message: str = "") -> None:
        files, frames = sum(one.files for one in done.values()), sum(one.frames for one in done.values())
        on_progress(Progress("score", files, total, {"frames": frames}, message))

    show(f"{before} of {len(parts)} partitions are done already" if before else "")
    left = [part for part in parts if part.number not in done]
    for number in engine(job, left, workers=workers, device=job.device) if left else ():
        found = ledger.find(parts[number])
        if found is None:
            name = parts[number].name
            raise MedgenError(f"a worker did {name}, which is not in '{job.out}': it must be a folder that all machines see")
        done[number] = found
        show()
    return [done[part.number] for part in parts]


def _joined(
    run: Run, ledger: Ledger, archive: Archive, parts: Sequence[Partition], done: Sequence[Done], out: Path
) -> ScoredArchive:
    """Make one whole of the partitions: decisions at the threshold of today, one schema, one table of rejected files."""
    ledger.tidy()
    calibration = digest_of(run.folder / CALIBRATION)
    decided = [
        one if one.calibration == calibration else _decide(run, ledger, part, one, calibration)
        for part, one in zip(parts, done, strict=True)
    ]
    tables = [ledger.scores(part) for part, one in zip(parts, decided, strict=True) if one.frames]
    if tables:
        give_one_schema(tables)
    rejected = rejections(decided, archive.unread)
    write_csv(out / "rejected.csv", rejected)
    files, frames, scored, abnormal = (sum(column) for column in zip(*(one[:4] for one in decided), strict=True))
    left_out = sum(len(one.left_out) for one in decided)
    found = ScoredArchive(files, frames, scored, abnormal, len(rejected) - left_out, left_out, len(parts))
    about = {"run": run.name, "weights": run.weights_digest(), "threshold": run.threshold().get("value"), "meaning": RESEARCH}
    write_json(out / "archive.json", asdict(found) | about)
    return found


def _decide(run: Run, ledger: Ledger, part: Partition, done: Done, calibration: str) -> Done:
    """Decide again on a partition, as the threshold was moved since."""
    above = 0
    if done.frames:
        table = decide(run, read_part(ledger.scores(part)))
        write_part(ledger.scores(part), table)
        above = int(table["abnormal"].fillna(False).sum()) if "abnormal" in table else 0
    again = done._replace(abnormal=above, calibration=calibration)
    ledger.enter(part, again)
    return again
