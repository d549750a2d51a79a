"""A run folder: everything that training made and that the later verbs read.

``run.toml`` (settings and where the data came from), ``model.safetensors`` (best weights), ``last.safetensors`` (state to resume
from), ``log.csv`` (one row an epoch), ``steps.csv`` (one row every train.log_steps optimizer steps), ``calibration.json`` (scores
of the normal validation frames and the threshold), ``contrast.safetensors`` (what training frames are like, for parts of a score
that are a distance from it), ``common.png`` (where frames are shown, where all are blanked alike), ``panels/`` (pictures while
training), ``tensorboard/``, ``cost.json`` (weights, time, memory, speed), ``scores/`` (the test split, scored), ``scores-val/``
and the like (another split), ``scores-other/`` (the test frames of the second domain).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from medgen.config import Settings, read_toml, to_toml, with_paths_from, with_whole_paths
from medgen.contract.backend import Backend
from medgen.data.images import read_image
from medgen.data.native.addresses import address_from, whole_address
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.engine.checkpoint import Undrawn, load, load_weights, save
from medgen.engine.device import move_model, seed_all
from medgen.engine.fit import STATE, WEIGHTS
from medgen.engine.score_components import NOTHING_ADDED
from medgen.engine.train_settings import TrainSettings
from medgen.errors import RunError
from medgen.files import read_json, shown_source, write_bytes, write_text
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.report.run_metrics import Threshold
from medgen.runs.models import build_model
from medgen.runs.packages import made_with, require_backend, written_by
from medgen.runs.settings import RunSettings
from medgen.runs.to_image import png
from medgen.runs.versions import is_current

RUN = "run.toml"  # written first, and again when the training has ended
COMMON_MASK = "common.png"  # white where frames are shown
NORMAL_REFERENCE = "contrast.safetensors"
CALIBRATION = "calibration.json"
NORMALS = "normals.csv"  # of a recalibrated run: the frames of the other place, their groups and scores


class Calibration(Threshold, total=False):
    """What is known of the normal frames that a run is calibrated by, and the threshold: ``calibration.json``."""

    made_by: str  # version of the code that computed it
    weights: str  # digest of the weights that it belongs to
    scores: list[float]  # of the frames, in rising order
    shares: list[float]  # what each of them counts for, where groups count and not frames; absent where each counts for one
    reason: str  # why there is no threshold, or ""
    components: dict[str, list[float]]  # of a fused score: each score component of half of the normal frames


class Origin(Settings):
    """What a run was trained on; `kind` is "" for a prepared data set."""

    dataset: str
    kind: str = ""
    source: str
    data_digest: str
    prepare: PrepareSettings
    other_digest: str = ""  # of the second domain's data set
    cropping: int = Field(0, ge=0)  # version of the code that cropped it (`Prepared.cropping`)


@dataclass(frozen=True)
class Run:
    """An opened run folder."""

    folder: Path
    settings: RunSettings
    origin: Origin
    about: dict[str, str]  # versions, the command, and why the training ended
    kept: bool = False  # it stays as it is: nothing is written into it, though that could be done

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def recalibrated_on(self) -> str:
        """Digest of the normal frames of another place that the run was recalibrated on; "" for a run as it was trained."""
        return self.about.get("recalibrated_on", "")

    def new_model(self) -> Backend:
        """Return the backend with fresh weights, the same ones for the same seed.

        Raises
        ------
        RunError : if the backend is of another package that is not installed.
        """
        require_backend(self.folder, self.settings.backend, self.about)
        seed_all(self.settings.train.seed)
        prepare = self.origin.prepare
        return build_model(self.settings, prepare.size, prepare.channels)

    def portable_settings(self) -> dict[str, Any]:
        """Return the settings as nested plain values, with paths as seen from the folder of the run."""
        settings: dict[str, Any] = with_paths_from(self.settings.model_dump(mode="json"), self.folder)
        settings["data"]["other"] = address_from(settings["data"]["other"], self.folder)
        return settings

    def write(self) -> Run:
        """Write ``run.toml``."""
        settings = self.portable_settings()
        origin = self.origin.model_dump(mode="json") | {"dataset": address_from(self.origin.dataset, self.folder)}
        sections = {**settings, "origin": origin, "about": self.about}
        write_text(self.folder / RUN, to_toml(sections))
        return self

    def with_facts(self, **facts: str) -> Run:
        """Return the run with facts added to what is known about it, on disk too."""
        return replace(self, about={**self.about, **facts}).write()

    def with_epochs(self, epochs: int) -> Run:
        """Return the run with another number of epochs, on disk too; a ConfigError says, before, that no training has so many."""
        train = TrainSettings.parse({**self.settings.train.model_dump(), "epochs": epochs}, "train")
        return replace(self, settings=self.settings.model_copy(update={"train": train})).write()

    def trained_model(self) -> Backend:
        """Return the backend with the best weights.

        Raises
        ------
        RunError : if there are none or they do not fit.
        """
        with Undrawn():
            model = self.new_model()
        load_weights(model, self.folder / WEIGHTS)
        return move_model(model, torch.device("cpu"))  # as it is scored with: the layout of weights decides the last bits

    def require_weights(self) -> None:
        """Refuse a run that cannot score yet.

        Raises
        ------
        RunError : if it has no trained weights.
        """
        if not self.has_weights():
            raise RunError(f"'{self.folder}' has no trained weights yet; finish it with `medgen train ... --resume`")

    def weights_digest(self) -> str:
        """Return a hash of what scores depend on: the best weights, the backend's settings as the run has them, and the overlay.

        Settings that a later version adds to the other sections leave it as it is. The weights are read once as long as their
        file stays the same.

        Raises
        ------
        RunError : if the run has no trained weights.
        """
        self.require_weights()
        chosen: dict[str, object] = {
            "backend": self.settings.backend,
            "model": self.settings.model,
            "overlay": self.settings.data.overlay,
        }
        if self.settings.scoring != NOTHING_ADDED:
            chosen["scoring"] = self.settings.scoring.model_dump(mode="json", exclude_defaults=True)
        if self.recalibrated_on:
            chosen["recalibrated_on"] = self.recalibrated_on
        path = (self.folder / WEIGHTS).resolve()
        state = path.stat()
        return _file_digest(
            path,
            json.dumps(with_paths_from(chosen, self.folder), sort_keys=True),
            (state.st_ino, state.st_size, state.st_mtime_ns),
        )

    def stored_calibration(self) -> Calibration:
        """Return ``calibration.json``, whatever version of the code made it; {} for a run without normal validation frames."""
        return cast(Calibration, read_json(self.folder / CALIBRATION))

    def calibration(self) -> Calibration:
        """Return the scores of the normal validation frames and the threshold; {} where there are none of the present version.

        `medgen.runs.calibrating.calibrate.renew_calibration` makes those of another version again.
        """
        facts = self.stored_calibration()
        return facts if is_current("calibration", facts) else {}

    def threshold(self) -> Threshold:
        """Return the threshold with what it promises; {} for a run without normal validation frames."""
        return cast(Threshold, {name: fact for name, fact in self.calibration().items() if name in Threshold.__annotations__})

    def common_mask(self) -> NDArray[np.bool_] | None:
        """Return where every frame is shown, (S, S) bool, of a run whose frames are all blanked alike; None for any other."""
        path = self.folder / COMMON_MASK
        return read_image(path).pixels[..., 0] > 0 if path.is_file() else None

    def normal_reference(self) -> dict[str, FeatureGaussian]:
        """Return what training frames are like, for each part of the score that asks how far from the usual something is.

        Raises
        ------
        RunError : if it is missing or damaged.
        """
        if not self.settings.scoring.needs_reference:
            return {}
        if not self.finished() and not (self.folder / NORMAL_REFERENCE).is_file():
            raise RunError(
                f"'{self.folder}' was stopped before its scores were calibrated; finish it with `medgen train ... --resume`"
            )
        tensors: dict[str, dict[str, Tensor]] = {}
        for name, tensor in load(self.folder / NORMAL_REFERENCE)[0].items():
            part, key = name.split("/", 1)
            tensors.setdefault(part, {})[key] = tensor
        return {part: FeatureGaussian.of(own) for part, own in tensors.items()}

    def writable(self) -> bool:
        """Tell whether results can be kept in the run: one in an archive or on a read-only disk stays as it is."""
        return not self.kept and os.access(self.folder, os.W_OK)

    def finished(self) -> bool:
        """Tell whether the training came to its end and the run is calibrated."""
        return bool(self.about.get("finished"))

    def history(self, name: str = "log.csv") -> pd.DataFrame:
        """Return one row an epoch, or, of ``steps.csv``, one every so many steps; empty before the first."""
        path = self.folder / name
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def has_weights(self) -> bool:
        """Tell whether there are weights to score with."""
        return (self.folder / WEIGHTS).is_file()

    def started(self) -> bool:
        """Tell whether there is a state to resume from."""
        return (self.folder / STATE).is_file()


@lru_cache(maxsize=64)
def _file_digest(path: Path, settings: str, state: tuple[int, int, int]) -> str:
    """Return a short hash of a file and of settings; `state` (inode, size, time) tells when the file has become another one."""
    with path.open("rb") as file:
        hashed = file_digest(file, "sha256")
    hashed.update(settings.encode())
    return hashed.hexdigest()[:16]


def create_run(folder: Path, settings: RunSettings, data: Prepared, command: str, second: Prepared | None = None) -> Run:
    """Write ``run.toml`` in a run folder; whatever else is there stays."""
    origin = Origin(
        dataset=data.address,
        kind=data.kind,
        source=shown_source(data.source),
        data_digest=data.digest,
        prepare=data.settings,
        cropping=data.cropping,
        other_digest=second.digest if second else "",
    )
    run = Run(folder, settings, origin, {**made_with(settings.backend), "command": command})
    run.new_model()  # a size that does not fit is refused before anything is written
    if settings.data.overlay == "common":
        write_bytes(folder / COMMON_MASK, png(data.valid[0].astype(np.uint8) * np.uint8(255)))
    return run.write()


def write_normal_reference(folder: Path, reference: Mapping[str, FeatureGaussian]) -> None:
    """Write what `Run.normal_reference` reads into the folder of a run."""
    tensors = {f"{part}/{key}": of for part, own in reference.items() for key, of in own.tensors().items()}
    save(folder / NORMAL_REFERENCE, tensors, {})


def open_run(folder: Path, kept: bool = False) -> Run:
    """Open a run folder.

    Parameters
    ----------
    kept : nothing is to be written into it

    Raises
    ------
    RunError : if it is none.
    """
    if not (folder / RUN).is_file():
        what = "is not a run folder" if folder.exists() else "does not exist"
        inside = sorted([*folder.glob(f"*/{RUN}"), *folder.glob(f"*/*/{RUN}")])  # of a bundle, of a comparison
        near = f", but '{inside[0].parent}' is" if inside else ""
        raise RunError(f"'{folder}' {what}{near}; give one made by `medgen train BACKEND DATASET --out RUN`")
    sections = with_whole_paths(read_toml(folder / RUN), folder)
    about = {key: str(value) for key, value in sections.pop("about", {}).items()}
    for place, name in ((sections.get("origin", {}), "dataset"), (sections.get("data", {}), "other")):
        place[name] = whole_address(place.get(name, ""), folder)
    with written_by(about):
        origin = Origin.parse(sections.pop("origin", {}), f"{folder}/run.toml [origin]")
        return Run(folder, RunSettings.parse(sections, f"{folder}/run.toml"), origin, about, kept)
