"""Audit a data set for shortcuts: traits that give its labels away, and what models are worth without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.data.scorable import LEAST_VALID, valid_shares
from medgen.data.shortcut_features import frame_traits, mean_distance, why_left_out
from medgen.engine.device import Device
from medgen.errors import DataError, RunError
from medgen.files import cache_folder, short_digest, write_csv, write_json
from medgen.outputs.folder import check_folder, output_folder
from medgen.outputs.leftovers import OLD, remove_dead
from medgen.report.audit_metrics import AuditMetrics
from medgen.report.auditing.audit import measure_shortcuts
from medgen.runs.datasets import open_for
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.scores import score_rows, scores_folder
from medgen.runs.versions import made_by
from medgen.types import OnProgress, no_progress

AUDITED = ("audit", ("audit.json", "audit.csv"))  # the verb, and one of its results is in each folder of an audit
LISTED = ["id", "path", "label", "finding", "group"]


class Training(NamedTuple):
    """What is known of a training on another data set than the audited one.

    Attributes
    ----------
    data : that data set; None where it is gone
    seen : near-duplicates of the audited frames among its training and validation frames, as `_pairs` lists them
    """

    data: Prepared | None
    seen: pd.DataFrame


def audit(
    dataset: Path,
    runs: Sequence[Path] = (),
    out: Path | None = None,
    *,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> AuditMetrics:
    """Say how well trivial traits tell the normal from the abnormal test frames of a data set, and list its near-duplicates.

    Parameters
    ----------
    dataset : a prepared data set, or one that is read at native size
    runs : trained runs whose AUROC is looked at without the strongest traits; the data set is read as the first of them reads it
    out : folder for ``audit.csv`` (one row a trait), ``traits.csv`` (one row a frame), ``duplicates.csv`` and ``audit.json``

    Returns
    -------
    "frames" (normal and abnormal ones), "reason" (why nothing was measured, or ""), "traits" and "baseline" (each trait's AUROC
        with its interval), "models" (each run's AUROC, overall and among frames that are alike in the strongest traits),
        "duplicates" (pairs across splits), "too_easy" and "warnings" (sentences), "left_out" (why there are no traits of some
        kind, or ""), "looked" (whether near-duplicates were searched for) and "unscored" (how many frames show too little)

    Raises
    ------
    DataError, RunError : if the data set has no test frames, or a run is not trained or does not fit it.
    FolderError : if `out` holds something else, an audit of other runs or frames, too, or another process writes into it.

    Examples
    --------
    >>> result = api.audit(DATA)
    >>> result["frames"]["normal"], result["frames"]["abnormal"]
    (8, 8)
    """
    opened = [open_run(folder) for folder in runs]
    of = made_of(out, opened, dataset) if out else {}
    if out:
        check_folder(out, *AUDITED, of=of)  # before all that is to be computed
    data = open_for(opened[0], dataset) if opened else open_dataset(dataset)
    rows = data.rows("test")
    if not len(rows):
        splits = ", ".join(sorted(set(data.index["split"])))
        raise DataError(
            f"'{dataset}' has no frames of split 'test' to audit, it has {splits}; prepare it with --test-share above 0"
        )
    scores = {name: _scores(run, dataset, data, rows, device, on_progress) for name, run in _named(opened).items()}
    result = audit_frames(data, rows, scores, on_progress)
    if out:
        with output_folder(out, *AUDITED, of=of):
            _write_tables(result, data, rows, out)
    return result


def audit_frames(
    data: Prepared,
    rows: NDArray[np.int64],
    scores: Mapping[str, ArrayLike],
    on_progress: OnProgress = no_progress,
    training: Training | None = None,
) -> AuditMetrics:
    """Return the audit of the frames of a split, with what models are worth without the strongest traits.

    Parameters
    ----------
    rows : of the data set
    scores : name of a model -> its raw scores of these rows, (N,)
    training : of the models, where that was on another data set

    Returns
    -------
    as `measure_shortcuts` returns it, with "left_out" (why there are no traits of some kind, or ""), "looked" (whether
    the data set was searched for near-duplicates) and "unscored" (frames that no model has a score of, or, without models, could
    have one; nothing else counts them)
    """
    table = cached_traits(data, rows, on_progress, training.data if training else None)
    known = {name: np.asarray(of_model, dtype=np.float64) for name, of_model in scores.items()}
    kept = np.full(len(rows), True)
    kept &= np.isfinite([*known.values()]).any(axis=0) if known else valid_shares(data, rows) >= LEAST_VALID
    frames, traits = data.index.iloc[rows[kept]].reset_index(drop=True), table.loc[kept].reset_index(drop=True)
    of_models = {name: of_model[kept] for name, of_model in known.items()}
    measured = traits.drop(columns="mean_distance")
    pairs = pd.concat([training.seen, _pairs(data)], ignore_index=True) if training else _pairs(data)
    metrics = measure_shortcuts(frames, measured, traits["mean_distance"], of_models, pairs)
    metrics["left_out"], metrics["looked"] = why_left_out(data, table), not data.kind
    metrics["unscored"] = int((~kept).sum())
    return metrics


def cached_traits(
    data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress = no_progress, trained: Prepared | None = None
) -> pd.DataFrame:
    """Return `frame_traits` of these rows, with `mean_distance` as one more column; kept on disk for the next report.

    They lie below the folder in MEDGEN_CACHE, by default ``~/.cache/medgen``, under a digest of data set and rows: all runs on a
    data set share them, and those of other code are not used. What cannot be told once the raw frames are gone is not looked for
    again.
    """
    has_source = not data.kind and Path(data.source).exists()
    of = f" {trained.digest}" if trained else ""
    key = short_digest(f"{made_by('traits')} {data.digest} {data.settings.digest()} {has_source}{of}", rows.tobytes())
    path = cache_folder("traits") / f"{key}.csv"
    if not path.is_file():
        remove_dead(path.parent, OLD)
        table = frame_traits(data, rows, on_progress).assign(mean_distance=mean_distance(data, rows, trained))
        write_csv(path, table)
    return pd.read_csv(path)


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """Return the runs by name; runs that share one by their folder."""
    names = [run.name for run in runs]
    return {run.name if names.count(run.name) == 1 else str(run.folder): run for run in runs}


def _scores(
    run: Run, dataset: Path, audited: Prepared, rows: NDArray[np.int64], device: Device, on_progress: OnProgress
) -> NDArray[np.float64]:
    """Return a run's raw scores of the audited frames: its report's, or fresh ones where it was trained on another data set."""
    run.require_weights()
    data = open_for(run, dataset)
    facts = ["path", "label"]
    if not np.array_equal(data.rows("test"), rows) or not data.index[facts].equals(audited.index[facts]):
        raise RunError(f"run '{run.folder}' reads '{dataset}' with other labels or splits than the first run; audit it alone")
    with TemporaryDirectory() as elsewhere:
        folder = scores_folder(run, data, "test", Path(elsewhere))
        table = score_rows(run, data, rows, folder, device=device, on_progress=on_progress).table
        return table["score"].to_numpy(dtype=np.float64)


def _pairs(data: Prepared) -> pd.DataFrame:
    """Return the near-duplicates across splits with their kind: exact where the files are the same."""
    pairs = data.leaks()
    digests = dict(zip(data.index["path"], data.index["digest"], strict=True))
    shas = [[digests.get(path, "") for path in pairs[end]] for end in ("path", "other")]
    kinds = ["exact" if sha and sha == other else "near" for sha, other in zip(*shas, strict=True)]
    return pairs.assign(kind=pd.Series(kinds, dtype=object))


def _write_tables(result: AuditMetrics, data: Prepared, rows: NDArray[np.int64], out: Path) -> None:
    """Write the result of an audit as tables and as JSON."""
    entries = [dict(trait) for trait in result["traits"]]
    if result["baseline"]:
        entries.append({"trait": "mean_distance", **result["baseline"]})
    summary = pd.json_normalize(entries).rename(columns=lambda name: name.removeprefix("auroc."))
    summary = summary.rename(columns={"value": "auroc"})
    frames = data.index.iloc[rows][LISTED].reset_index(drop=True).join(cached_traits(data, rows))
    for name, table in (("audit", summary), ("traits", frames), ("duplicates", pd.DataFrame(result["duplicates"]))):
        write_csv(out / f"{name}.csv", table)
    write_json(out / "audit.json", result)
