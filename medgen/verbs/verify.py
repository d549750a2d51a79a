"""Look at every frame, score and weight that is stored: is it still what medgen wrote?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medgen.config import read_toml
from medgen.data.contents import CONTENT, changed_frames, changed_tables
from medgen.data.prepared import TABLE_CHANGED, Prepared, is_prepared, open_prepared
from medgen.data.preparing.alike.duplicates import digest
from medgen.data.source_file import file_and_frame
from medgen.data.storage.shards import shard_file
from medgen.errors import DataError, MedgenError
from medgen.files import digest_of
from medgen.runs.run import Run, open_run
from medgen.runs.scores import STAMP
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.study.settings import DATASETS
from medgen.verbs.study.settings import FILE as STUDY
from medgen.verbs.study.study_runs import FOLDER as RUNS

BLOCK = 64  # frames between two reports of progress
NAMED = 5  # of the files with the same fault


class Verified(NamedTuple):
    """What was looked at and what is wrong with it.

    Attributes
    ----------
    kind : "data set", "run" or "scores"
    path : where it lies
    looked_at : what that was, in words and counts
    problems : a sentence each; none where all is as medgen wrote it
    """

    kind: str
    path: Path
    looked_at: str
    problems: tuple[str, ...]


def verify(path: Path, on_progress: OnProgress = no_progress) -> list[Verified]:
    """Look at a prepared data set; at a run, its scores and its data set; or at all runs of a study. Nothing is written.

    Every frame of a data set, with its valid pixels and masks, is compared with the digest in its row, the table with its own,
    and every source file that is still there with what it was. Weights are compared with what calibration and scores say that
    they belong to, tables of scores with their digests.

    Raises
    ------
    DataError : if `path` is neither.

    Examples
    --------
    >>> [(checked.kind, checked.problems) for checked in api.verify(DATA)]
    [('data set', ())]
    """
    if is_prepared(path):
        return [_data_set(path, on_progress)]
    folders = [path] if (path / "run.toml").is_file() else _runs_of(path)
    if not folders:
        what = "is a study without runs" if (path / STUDY).is_file() else "is neither a prepared data set nor a run nor a study"
        raise DataError(f"'{path}' {what}; give a folder that `medgen prepare`, `train` or `compare` wrote")
    checked: list[Verified] = []
    data_sets: dict[Path, Verified] = {}
    for folder in folders:
        run = open_run(folder)
        data = Path(run.origin.dataset)
        if not run.origin.kind and is_prepared(data) and data not in data_sets:
            data_sets[data] = _data_set(data, on_progress)
        checked += [_run(run), *_scores(run)]
    return [*data_sets.values(), *checked]


def _runs_of(study: Path) -> list[Path]:
    """Return the runs of a study, and of those that a study of several data sets is made of."""
    return sorted(file.parent for where in (RUNS, f"{DATASETS}/*/*/{RUNS}") for file in study.glob(f"{where}/*/run.toml"))


def _data_set(folder: Path, on_progress: OnProgress) -> Verified:
    try:
        data = open_prepared(folder, sample=0)
    except MedgenError as error:
        return Verified("data set", folder, "its files", (str(error),))
    problems = [TABLE_CHANGED] if TABLE_CHANGED in data.warnings else []
    problems += changed_tables(folder, read_toml(folder / "prepare.toml").get("tables", {}))
    if CONTENT not in data.index:
        problems.append("it was prepared before digests of frames were kept; prepare it again to have them")
    arrays = [data.frames, data.valid, *([] if data.masks is None else [data.masks])]
    changed: list[int] = []
    for start in range(0, len(data.index), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(data.index)))
        changed += changed_frames(data.index, arrays, rows)
        on_progress(Progress("verify", int(rows[-1]) + 1, len(data.index)))
    if changed:
        shards = (
            [shard_file("*", number) for number in sorted({row // data.per_shard for row in changed})] if data.per_shard else []
        )
        names = _named(data.index["path"].iloc[changed].tolist()) + (f" (in {_named(shards)})" if shards else "")
        problems.append(f"not what was prepared: {names}; prepare it again with --overwrite")
    sources, wrong = _sources(data)
    if wrong:
        problems.append(f"source files with other content than when they were prepared: {_named(wrong)}")
    return Verified("data set", folder, f"{len(data.index)} frames, {sources} source files", tuple(problems))


def _sources(data: Prepared) -> tuple[int, list[str]]:
    """Return how many source files are there, and which of them are others than they were."""
    known = {file_and_frame(path)[0]: sha for path, sha in zip(data.index["path"], data.index["digest"], strict=True) if sha}
    there = {name: path for name in known if (path := Path(data.source) / name).is_file()}
    return len(there), [name for name, path in there.items() if digest(path) != known[name]]


def _run(run: Run) -> Verified:
    problems = []
    if not run.has_weights():
        problems.append("it has no trained weights yet; finish it with `medgen train ... --resume`")
    elif (weights := run.stored_calibration().get("weights")) and weights != run.weights_digest():
        problems.append("its weights or settings are not those that its calibration was made with")
    return Verified("run", run.folder, "weights, settings and calibration", tuple(problems))


def _scores(run: Run) -> Iterator[Verified]:
    for stamp in sorted(run.folder.glob(f"scores*/{STAMP}")):
        facts, table = read_toml(stamp), stamp.with_name("scores.csv")
        problems = []
        if run.has_weights() and facts.get("weights") != run.weights_digest():
            problems.append("they are of other weights or settings than the run has now; the next report makes them anew")
        if "scores" in facts and facts["scores"] != digest_of(table):
            problems.append("scores.csv was changed after it was written; the next report makes it anew")
        yield Verified("scores", stamp.parent, "the table and what made it", tuple(problems))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:NAMED]) + more
