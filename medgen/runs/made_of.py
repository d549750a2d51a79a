"""What results are made of, in names and digests: they are replaced by the same thing made again, and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from medgen.config import with_paths_from
from medgen.data.native.addresses import is_address, split_address
from medgen.data.prepared import is_prepared
from medgen.files import short_digest
from medgen.outputs.folder import named_place
from medgen.runs.run import Run


def made_of(
    out: Path, runs: Sequence[Run] = (), source: Path | None = None, split: str | None = None, **choices: str
) -> dict[str, str]:
    """Return what results are made of: a name and a digest of each run and of the frames, the split, and what else is said.

    A digest is of where something lies, as seen from the results, so that all may move together, and of what a run was when its
    training began: one that was trained for longer since is still the same run.

    Parameters
    ----------
    out : folder of the results
    runs : that they are of, in the order of the results
    source : data set or raw frames; None for the data set of the runs
    split : of the data set; None for its test frames, and for all of raw frames
    choices : what else results of the same run and frames differ by; "" for none

    Raises
    ------
    DataError : if the source is an address of an unknown kind.
    """
    of = {"run": " + ".join(_named_run(run, out) for run in runs)} if runs else {}
    if source is not None:
        kind, path = split_address(source)
        of["data"] = kind + named_place(path.resolve().name, path, out)
        split = split or ("test" if is_prepared(source) or is_address(source) else "all")
    return of | ({"split": split} if split else {}) | {name: text or "none" for name, text in choices.items()}


def _named_run(run: Run, out: Path) -> str:
    """Return a run's name with a digest of its place, and one of its data sets and settings, as far as a training keeps them."""
    facts = {
        "data": [run.origin.data_digest, run.origin.other_digest, run.recalibrated_on],
        "backend": run.settings.backend,
        "model": with_paths_from(run.settings.model, run.folder),
        "seed": run.settings.train.seed,
    }
    return f"{named_place(run.name, run.folder, out)} {short_digest(json.dumps(facts, sort_keys=True, default=str))}"
