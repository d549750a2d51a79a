"""The data sets that a run is trained on or looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgen.data.common_mask import with_common
from medgen.data.dataset import DataSettings
from medgen.data.native.addresses import is_address, open_dataset
from medgen.data.native.archives import EVERY
from medgen.data.prepared import Prepared
from medgen.errors import DataError, RunError
from medgen.runs.run import Run
from medgen.runs.settings import RunSettings


def open_trained_on(run: Run, moved: str | Path | None = None) -> Prepared:
    """Open the data set that a run was trained on; `moved` is where it is now, if it has moved."""
    return _shown(run, open_dataset(moved or run.origin.dataset, run.settings.data))


def open_for(run: Run, given: str | Path) -> Prepared:
    """Open a data set that a run is to look at: a prepared one, or an archive or folder at native size.

    Raises
    ------
    DataError, RunError : if it cannot be opened or its frames do not fit the run.
    """
    chosen = run.settings.data
    reading = _fitting(chosen, given).model_copy(update={"pool_share": 0.0})
    data = _shown(run, open_dataset(given, reading))
    second = data.digest == run.origin.other_digest  # it is read as the training read it
    if data.kind and not second and chosen.normal and {*chosen.normal} <= {*data.index["finding"], EVERY}:
        reading = reading.model_copy(update={"normal": chosen.normal})  # others keep their source's labels
        data = _shown(run, open_dataset(given, reading))
    check_fits(run, data)
    if chosen.pool_share and (second or data.digest == run.origin.data_digest):
        whole = reading.model_copy(update={"pool_share": chosen.pool_share})
        return _shown(run, open_dataset(given, whole))  # no pool frame is a test frame
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
    second = open_dataset(address, _fitting(settings.data, address))
    if (second.size, second.channels) != (data.size, data.channels):
        raise DataError(
            f"frames of '{data.address}' are {data.size} x {data.size} x {data.channels}, of data.other '{second.address}' "
            f"{second.size} x {second.size} x {second.channels}; set data.channels, data.pad_to or data.resize_to"
        )
    return with_common(second, np.asarray(data.valid[0])) if settings.data.overlay == "common" else second


def _shown(run: Run, data: Prepared) -> Prepared:
    """Return the data set as the run looks at it: with the mask that its training had in common, if there was one."""
    mask = run.common_mask()
    return data if mask is None or mask.shape != data.valid.shape[1:] else with_common(data, mask)


def _fitting(chosen: DataSettings, given: str | Path) -> DataSettings:
    """Return the settings without those that are not for this data set: names of classes, and what a prepared one has already."""
    if is_address(given):
        return chosen.model_copy(update={"normal": ()})
    side = 0 if chosen.pad_to else chosen.resize_to  # a prepared one has its border
    return chosen.model_copy(update={"normal": (), "resize_to": side, "pad_to": 0, "channels": 0})


def check_fits(run: Run, data: Prepared) -> None:
    """Refuse a data set whose frames a run cannot take.

    Raises
    ------
    RunError : if size or channels differ.
    """
    made, given = run.origin.prepare, data.settings
    if (made.size, made.channels) != (given.size, given.channels):
        raise RunError(
            f"run '{run.folder}' was trained on {made.size} x {made.size} x {made.channels}, data set '{data.folder}' has "
            f"{given.size} x {given.size} x {given.channels}; prepare it with --size {made.size} or train another run"
        )
