"""The data sets that a run was trained on or looks at: opened as its settings say, and with the mask that its training had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medgen.data.common_mask import with_common_mask
from medgen.data.dataset import DataSettings
from medgen.data.intensity import Intensity
from medgen.data.native.addresses import is_address, open_dataset
from medgen.data.native.archives import ALL_FINDINGS
from medgen.data.prepared import TABLE_CHANGED, Prepared, PrepareSettings, read_table
from medgen.errors import DataError, RunError
from medgen.runs.run import NORMALS, Run
from medgen.runs.settings import RunSettings


def open_trained_on(run: Run, dataset: str | Path | None = None) -> Prepared:
    """Open the data set that a run was trained on.

    Parameters
    ----------
    dataset : where it is now, if it has moved

    Raises
    ------
    DataError, RunError : if it cannot be opened, or what lies there now does not fit the run.
    """
    own = run.origin.dataset
    if dataset is None and not run.origin.kind and not Path(own).exists():
        raise DataError(
            f"'{run.folder}' was trained on '{own}', which is not there; put it back, or name where it is now (--data, where the "
            "command has it)"
        )
    data = open_dataset(dataset or own, run.settings.data)
    check_fits(run, data)
    return _with_common_mask(run, data)


def recalibrated_on(run: Run) -> pd.DataFrame | None:
    """Return the frames of another place that a run was recalibrated on; None where they were left behind, as in a bundle."""
    path = run.folder / NORMALS
    return read_table(path, ["score_after"]) if path.is_file() else None


def require_own(run: Run, data: Prepared) -> None:
    """Refuse another data set than that of the training, where one is named for it; its table may have been corrected since.

    Raises
    ------
    DataError : if it has other frames.
    """
    if data.digest != run.origin.data_digest and TABLE_CHANGED not in data.warnings:
        raise DataError(
            f"'{data.address}' is not the data set that '{run.folder}' was trained on; `medgen evaluate {run.folder} "
            f"{data.address}` measures the run on other frames"
        )


def open_for(run: Run, dataset: str | Path) -> Prepared:
    """Open a data set that a run is to look at: a prepared one, or an archive or folder at native size.

    Classes that were normal in the training are normal here, too. Of the data set of the training, frames that were in its pool
    are no test frames.

    Raises
    ------
    DataError, RunError : if it cannot be opened or its frames do not fit the run.
    """
    trained_with = run.settings.data
    settings = _settings_for(trained_with, dataset).model_copy(update={"pool_share": 0.0})
    data = _with_common_mask(run, open_dataset(dataset, settings))
    is_second = data.digest == run.origin.other_digest  # the second domain is read as the training read it
    if data.kind and not is_second and trained_with.normal and {*trained_with.normal} <= {*data.index["finding"], ALL_FINDINGS}:
        settings = settings.model_copy(update={"normal": trained_with.normal})  # others keep their source's labels
        data = _with_common_mask(run, open_dataset(dataset, settings))
    check_fits(run, data)
    is_own = data.digest == run.origin.data_digest
    if (trained_with.pool_share and (is_second or is_own)) or (trained_with.shots and is_own):
        shots = trained_with.shots if is_own else 0
        settings = settings.model_copy(update={"pool_share": trained_with.pool_share, "shots": shots})
        return _with_common_mask(run, open_dataset(dataset, settings))
    return data


def open_second(settings: RunSettings, data: Prepared) -> Prepared | None:
    """Open the data set of the second domain, where the settings name one.

    Raises
    ------
    DataError : if it cannot be opened, or its frames are not like those of `data`.
    """
    address = settings.data.other
    if not address:
        return None
    second = open_dataset(address, _settings_for(settings.data, address))
    if (second.size, second.channels) != (data.size, data.channels):
        raise DataError(
            f"frames of '{data.address}' are {data.size} x {data.size} x {data.channels}, of data.other '{second.address}' "
            f"{second.size} x {second.size} x {second.channels}; set data.channels, data.pad_to or data.resize_to"
        )
    return with_common_mask(second, np.asarray(data.valid[0])) if settings.data.overlay == "common" else second


def as_seen_by(run: Run, data: Prepared) -> Prepared:
    """Return an opened data set as a run looks at it: with the mask that all frames of its training shared, if there was one.

    Raises
    ------
    RunError : if its frames do not fit the run.
    """
    data = _with_common_mask(run, data)
    check_fits(run, data)
    return data


def _with_common_mask(run: Run, data: Prepared) -> Prepared:
    """Return the data set as the run looks at it: with the mask that all frames of its training shared, if there was one."""
    mask = run.common_mask()
    return data if mask is None or mask.shape != data.valid.shape[1:] else with_common_mask(data, mask)


def _settings_for(settings: DataSettings, dataset: str | Path) -> DataSettings:
    """Return the settings without those that are not for this data set.

    These are names of classes, how few frames were trained on, and what a prepared one has already.
    """
    if is_address(dataset):
        return settings.model_copy(update={"normal": (), "shots": 0})
    side = 0 if settings.pad_to else settings.resize_to  # a prepared one has its border
    return settings.model_copy(update={"normal": (), "shots": 0, "resize_to": side, "pad_to": 0, "channels": 0})


def check_fits(run: Run, data: Prepared) -> None:
    """Refuse a data set whose frames a run cannot take.

    Raises
    ------
    RunError : if size or channels differ, or another rule says which values are black and white, and other ones are: a window for
        lungs shows nothing of what a model of livers has seen.
    """
    size, channels = run.origin.prepare.size, run.origin.prepare.channels
    if (size, channels) != (data.size, data.channels):
        raise RunError(
            f"run '{run.folder}' was trained on {size} x {size} x {channels}, data set '{data.folder}' has "
            f"{data.size} x {data.size} x {data.channels}; prepare it with --size {size} or train another run"
        )
    own, theirs = run.origin.prepare, data.settings
    same = Intensity.parse(own.intensity) == Intensity.parse(theirs.intensity)
    if _both_prepared(run, data) and not same and not (own.intensity_range and _ends(own) == _ends(theirs)):
        raise RunError(
            f"run '{run.folder}' was trained on frames of --intensity {own.intensity}, data set '{data.folder}' is prepared with "
            f"{theirs.intensity}; prepare it with --intensity {_rule(own)}, or give raw frames, which are shown as the run's own"
        )


def shown_otherwise(run: Run, data: Prepared) -> str:
    """Return how a data set shows its frames otherwise than that of the training, a sentence; "" if it does not.

    What was found in the data sets themselves and may be right of both (the range of the values, the overlay rules), and what of
    a frame is cut out or read.
    """
    if not _both_prepared(run, data):
        return ""
    own, theirs = run.origin.prepare, data.settings
    pairs = {
        "black and white are": (_ends(own), _ends(theirs)),
        "overlay is found by the rules": (own.overlay, theirs.overlay),
        "the square is": (own.square, theirs.square),
        "the modality is": (own.modality or "the usual one", theirs.modality or "the usual one"),
        "they are cropped by version": (str(run.origin.cropping), str(data.cropping)),
    }
    unknown = {"", "auto"}  # of an older data set, or different from frame to frame
    differing = [
        f"{what} {new} in place of {old}" for what, (old, new) in pairs.items() if old != new and not {old, new} & unknown
    ]
    if not differing:
        return ""
    return f"The frames are not shown as those of the training ({'; '.join(differing)}); raw ones that are given would be."


def _rule(settings: PrepareSettings) -> str:
    """Return the rule that shows other frames as those of a data set, a found range in numbers."""
    return "window:{:g},{:g}".format(*settings.intensity_range) if settings.intensity_range else settings.intensity


def _ends(settings: PrepareSettings) -> str:
    if settings.intensity_range is None:
        return ""
    return " and ".join(f"{end:g}" for end in settings.intensity_range) or "as the files say"


def _both_prepared(run: Run, data: Prepared) -> bool:
    """Tell whether both data sets have settings of their own: archives and folders are read as they are."""
    return not (run.origin.kind or data.kind)
