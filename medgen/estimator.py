"""A backend as a scikit-learn outlier detector: fitted to frames in memory, with scikit-learn's names and signs.

scikit-learn's conventions run the other way than medgen's: `score_samples` and `decision_function` are higher where a frame is
more normal, and `predict` gives 1 for normal frames and -1 for outliers. `medgen.load` has medgen's own.

It needs scikit-learn: ``pip install 'medgen[sklearn]'``.
"""

from __future__ import annotations

import math
import shutil
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.data.source_file import MANIFEST
from medgen.engine.device import Device
from medgen.errors import ConfigError, FolderError, MedgenError
from medgen.files import write_bytes, write_csv
from medgen.runs.run import RUN
from medgen.runs.settings import recipe
from medgen.runs.to_image import png
from medgen.types import no_progress
from medgen.verbs.exporting.bundle import STATES
from medgen.verbs.in_memory.loaded import LoadedRun, load
from medgen.verbs.in_memory.one_range import range_of, shown
from medgen.verbs.in_memory.told import Told
from medgen.verbs.train import train

try:
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.model_selection import GroupShuffleSplit
    from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise ConfigError("medgen.estimator needs scikit-learn: pip install 'medgen[sklearn]'") from error

Pictures = NDArray[Any] | list[NDArray[Any]]  # (n, H, W, C), or (H, W, C) each where sizes differ
CHANNELS = {1: "grey", 3: "colour"}
SMALLEST = 16  # side of a picture that is made of a row, at least


class _Scratch:
    """A folder that goes with the last detector that needs it; `TemporaryDirectory` would warn of that."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="medgen-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Learn from normal frames, then tell how normal other frames are.

    Frames are an array X of one of these shapes, uint8, or floats:

    - (n, H, W) or (n, H, W, C), C 1 or 3: pictures as a camera takes them; the field of view of each is cut out, and what is no
      tissue is blanked, as `medgen prepare` does it. With ``whole=True`` nothing is cut; they have to be square then.
    - a list of such pictures (H, W) or (H, W, C) of any sizes, which are cropped
    - (n, features): rows, as scikit-learn's tools hand them over. `image_shape` says which pictures they are; without it a row
      fills a grey square, the rest of which is black. They are taken whole, and have to be square, too.

    A threshold is put where the share `false_alarm_rate` of normal frames lies above, by frames that are held out of the training
    for it (`val_share`); those of one group are never divided.

    Parameters
    ----------
    backend : name of a backend
    settings : of the training, each as ``--set`` takes it, such as "train.epochs=20"; one alone may be a text
    size : side in pixels to which frames are brought
    whole : take pictures whole
    image_shape : (H, W) or (H, W, C) of the pictures that rows of a table hold
    val_share : share of the groups, of any sizes, that the training does not see; of the frames where `fit` is given no groups
    false_alarm_rate : of normal frames, above 0 and below 1
    folder : a new or empty folder in which the data set and the run stay, for `medgen report` and all else; None keeps neither
    device : "auto" takes a GPU where there is one
    random_state : seed of the division and of the training; None draws one
    verbose : above 0, `fit` prints how far it is, a line for each epoch, and what it warns of

    Attributes
    ----------
    model_ : the run in memory (`medgen.load`)
    offset_ : the threshold with scikit-learn's sign: `decision_function` is `score_samples` less it; None without one
    n_features_in_ : columns of X in `fit`, where that had rows
    """

    model_: LoadedRun
    offset_: float | None
    n_features_in_: int

    def __init__(
        self,
        backend: str = "vae",
        *,
        settings: Sequence[str] | str = (),
        size: int = 96,
        whole: bool = False,
        image_shape: tuple[int, ...] | None = None,
        val_share: float = 0.25,
        false_alarm_rate: float = 0.05,
        folder: Path | str | None = None,
        device: Device = "auto",
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.backend = backend
        self.settings = settings
        self.size = size
        self.whole = whole
        self.image_shape = image_shape
        self.val_share = val_share
        self.false_alarm_rate = false_alarm_rate
        self.folder = folder
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: None = None, groups: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train the backend on normal frames.

        Parameters
        ----------
        X : normal frames
        y : ignored
        groups : (n,) which frames belong together (a patient, a video); None takes each for itself

        Raises
        ------
        ValueError : if X is of no such shape, or has values that are no numbers.
        MedgenError : if a setting is wrong, or the folder holds something.
        """
        frames = self._checked(X, reset=True)
        given = isinstance(self.random_state, int | np.integer)
        seed = int(self.random_state if given else check_random_state(self.random_state).randint(2**31))
        self._scratch = _Scratch() if self.folder is None else None
        folder = self._scratch.folder if self._scratch else Path(str(self.folder))
        if folder.is_dir() and any(folder.iterdir()):
            raise FolderError(f"'{folder}' is not empty; name a new folder, or None to keep nothing")
        told = Told() if self.verbose else no_progress
        whole = self.whole or (not isinstance(frames, list) and np.asarray(X).ndim == 2)
        self._range = range_of(np.asarray(frames)) if whole else None
        self._write(frames, folder / "frames", groups, seed)
        stated = [self.settings] if isinstance(self.settings, str) else self.settings
        chosen = [*stated, f"train.seed={seed}", f"false_alarm_rate={self.false_alarm_rate}"]
        if whole:
            data, chosen = f"folder:{folder / 'frames'}", [*chosen, f"data.resize_to={self.size}"]
        else:
            prepared = PrepareSettings.parse({"size": self.size, "channels": frames[0].shape[2]}, "AnomalyDetector")
            data = str(prepare(folder / "frames", folder / "data", prepared, on_progress=told).folder)
        run = train(Path(data), folder / "run", recipe(self.backend, None, chosen), device=self.device, on_progress=told)
        self.model_ = load(run.folder, device=self.device)
        threshold = self.model_.threshold
        self.offset_ = None if threshold is None else -threshold
        if threshold is None:
            warnings.warn(f"there is no threshold: {run.calibration().get('reason')}", UserWarning, stacklevel=2)
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return how normal each frame is, (n,): its raw score with the sign turned; NaN of a frame that shows too little."""
        check_is_fitted(self)
        frames = self._checked(X, reset=False)
        given = shown(np.asarray(frames), self._range) if self._range is not None else frames
        return -self.model_.score([*given]).table["score"].to_numpy(dtype=np.float64)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return `score_samples` less `offset_`, (n,): below 0 for outliers.

        Raises
        ------
        MedgenError : if there is no threshold.
        """
        check_is_fitted(self)
        if self.offset_ is None:
            reason = self.model_.run.calibration().get("reason", "no frames were held out")
            raise MedgenError(f"there is no threshold: {reason}; fit more frames, or raise val_share or false_alarm_rate")
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Return 1 for each normal frame and -1 for each outlier, (n,); -1, with a warning, for one that shows too little.

        Raises
        ------
        MedgenError : if there is no threshold.
        """
        decision = self.decision_function(X)
        if unknown := int(np.isnan(decision).sum()):
            what = f"{unknown} of {len(decision)} frames show too little to be scored and are called -1"
            warnings.warn(what, UserWarning, stacklevel=2)
        return np.where(decision >= 0, 1, -1)

    def _checked(self, X: ArrayLike, reset: bool) -> Pictures:  # noqa: N803
        """Return frames (n, H, W, C) of an X of any shape that is taken, ValueError for others; a list where sizes differ."""
        several = _of_several_sizes(X)
        if several is not None and self.whole:
            raise ValueError("X has pictures of several sizes; whole=True takes them whole, square and all of one size")
        frames = self._of_one_size(X, reset) if several is None else several
        height, width, channels = frames[0].shape
        form = "rows" if several is None and np.asarray(X).ndim == 2 else f"pictures of {CHANNELS[channels]}"
        if (self.whole or form == "rows") and height != width:
            raise ValueError(f"X has pictures of {height} rows and {width} columns; those that are taken whole have to be square")
        if reset:
            self._form = form
        elif form != self._form:
            raise ValueError(f"X has {form}; {type(self).__name__} was fitted to {self._form}")
        return frames

    def _of_one_size(self, X: ArrayLike, reset: bool) -> NDArray[Any]:  # noqa: N803
        if np.asarray(X).ndim <= 2:  # scikit-learn says what is wrong with fewer axes, and with what is no array
            rows = validate_data(self, X, reset=reset, ensure_min_samples=2 if reset else 1)
            return _pictures(rows, self.image_shape)
        frames = check_array(X, allow_nd=True, ensure_2d=False, ensure_min_samples=2 if reset else 1)
        if frames.ndim == 3 and frames.shape[2] in CHANNELS:
            raise ValueError(f"X has shape {frames.shape}, which is one picture (H, W, C); expected several of them: X[None]")
        if frames.ndim == 3:
            frames = frames[..., None]
        if frames.ndim != 4 or frames.shape[3] not in CHANNELS:
            raise ValueError(f"X has shape {np.shape(X)}; expected (n, H, W), (n, H, W, C) with C 1 or 3, or (n, features)")
        return frames

    def _write(self, frames: Pictures, folder: Path, groups: ArrayLike | None, seed: int) -> None:
        """Write frames as a folder that medgen reads, divided into training and validation frames."""
        if not 0 < self.val_share < 1:  # scikit-learn takes a whole number for so many groups
            raise ValueError(f"val_share is {self.val_share}; expected a share of the groups, above 0 and below 1")
        own = np.arange(len(frames)) if groups is None else np.asarray(groups).astype(str)
        check_consistent_length(frames, own)
        divide = GroupShuffleSplit(1, test_size=self.val_share, random_state=seed)
        _, held_out = next(divide.split(frames, groups=own))
        splits = np.where(np.isin(np.arange(len(frames)), held_out), "val", "train")
        pictures = None if self._range is None else shown(np.asarray(frames), self._range)
        names = [f"{number:06}.{'npy' if pictures is None else 'png'}" for number in range(len(frames))]
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            if pictures is None:
                np.save(folder / name, frames[number])
            else:
                pixels = pictures[number].squeeze(-1) if pictures.shape[3] == 1 else pictures[number]
                (folder / name).write_bytes(png(pixels))
        about = {"file": names, "finding": "normal", "label": "normal", "split": splits, "group": [f"{group}" for group in own]}
        write_csv(folder / MANIFEST, pd.DataFrame(about))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the run in it, so that a copy works wherever it is unpickled."""
        state = dict(super().__getstate__())
        if "model_" in state:
            folder = state.pop("model_").run.folder
            state["_run"] = {name: (folder / name).read_bytes() for name in (RUN, *STATES) if (folder / name).is_file()}
            state["_scratch"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        files: dict[str, bytes] = state.pop("_run", {})
        super().__setstate__(state)
        if files:
            self._scratch = _Scratch()
            for name, content in files.items():
                write_bytes(self._scratch.folder / "run" / name, content)
            self.model_ = load(self._scratch.folder / "run", device=self.device)


def _of_several_sizes(X: Any) -> list[NDArray[Any]] | None:  # noqa: N803
    """Return pictures (H, W, C) of a list or column of arrays whose sizes differ; None for anything else.

    Raises
    ------
    ValueError : for paths, for pictures of different channels, and for values that are no numbers.
    """
    listed = isinstance(X, list | tuple) or (getattr(X, "ndim", 0) == 1 and str(getattr(X, "dtype", "")) == "object")
    items = [*X] if listed else []
    if items and all(isinstance(item, str | Path) for item in items):
        raise ValueError("X holds paths; expected pixels: [np.asarray(PIL.Image.open(path)) for path in X]")
    if not all(isinstance(item, np.ndarray) and item.ndim in (2, 3) for item in items) or len({*map(np.shape, items)}) < 2:
        return None
    checked = [check_array(np.atleast_3d(item), allow_nd=True, ensure_2d=False) for item in items]
    if (channels := {item.shape[2] for item in checked}) not in ({1}, {3}):
        raise ValueError(f"X has pictures of {sorted(channels)} channels; expected (H, W) or (H, W, C), C 1 or 3 for all")
    return checked


def _pictures(rows: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
    """Return pictures (n, H, W, C) of rows (n, features); each pixel is repeated until a side has `SMALLEST`."""
    if shape is None:
        side = math.ceil(math.sqrt(rows.shape[1]))
        rows = np.pad(rows, ((0, 0), (0, side * side - rows.shape[1])))
        shape = (side, side)
    if np.ndim(shape) != 1 or len(shape) not in (2, 3) or (*shape, 1)[2] not in CHANNELS:
        raise ValueError(f"image_shape is {shape}; expected (H, W), or (H, W, C) with C 1 or 3")
    if math.prod(shape) != rows.shape[1]:
        raise ValueError(f"image_shape is {shape}, of {math.prod(shape)} values; X has rows of {rows.shape[1]}")
    pictures = rows.reshape(len(rows), *shape, *((1,) if len(shape) == 2 else ()))
    times = math.ceil(SMALLEST / min(shape[:2]))
    return pictures.repeat(times, axis=1).repeat(times, axis=2)
