"""Write a small synthetic endoscopy set with known lesions: for the demo, the tests and a first run.

Settings come in; a folder of frames, lesion masks and a manifest goes out, which `medgen prepare` reads like any other source.

Every frame is computed from a seed; nothing comes from a real frame. A frame is a view into a tube: haustral folds round a dark
lumen, vessels, mucosal texture, mucus, bubbles, highlights, then the dark border, burned-in text and the box of the instrument.
So that nothing but the lesions gives the label away, all else is drawn without knowing the label: normal and abnormal test frames
share their patients (colour cast, vessels, border), and frame k of either label carries the same border, text and box.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medgen.config import SEEDS, Settings
from medgen.data.phantom.overlay import Overlay, draw_overlay, expose
from medgen.data.phantom.scene import Flags, Patient, draw_highlights, draw_lesion, draw_patient, draw_tissue
from medgen.errors import DataError
from medgen.files import write_bytes, write_text
from medgen.types import LABELS, OnProgress, Progress, no_progress

SPLITS = ("train", "val", "test")
FINDINGS = ("normal", "polyp")  # the finding of each of `LABELS`
COLUMNS = ("file", "finding", "label", "split", "group", "mask")
FRAMES_PER_PATIENT = 8
_PATIENT, _OVERLAY, _SCENE, _LESION = range(4)  # independent streams of random numbers


class PhantomSettings(Settings):
    """Number, size, difficulty and seed of the frames of the set.

    Attributes
    ----------
    train, val, test_normal, test_abnormal : frames in each part; training and validation are normal
    width, height : of a frame, in pixels
    difficulty : 0 is large lesions of strong contrast, 1 is small, flat ones in nearly the colour of the mucosa
    seed : the same seed gives the same bytes
    """

    train: Annotated[int, Field(ge=0, le=10**6)] = 400
    val: Annotated[int, Field(ge=0, le=10**6)] = 80
    test_normal: Annotated[int, Field(ge=0, le=10**6)] = 200
    test_abnormal: Annotated[int, Field(ge=0, le=10**6)] = 200
    width: Annotated[int, Field(ge=160, le=4096)] = 360
    height: Annotated[int, Field(ge=160, le=4096)] = 320
    difficulty: Annotated[float, Field(ge=0, le=1)] = 0.3
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0


class FrameKey(NamedTuple):
    """Which frame of the set it is.

    Attributes
    ----------
    split : index in `SPLITS`
    label : index in `LABELS`
    k : number among the frames of this split and label, from 0
    """

    split: int
    label: int
    k: int

    @property
    def group(self) -> str:
        """Name of the simulated patient; no patient is in two splits."""
        return f"{SPLITS[self.split]}-{self.k // FRAMES_PER_PATIENT:03d}"


def frame_keys(settings: PhantomSettings) -> list[FrameKey]:
    """Return the frames of the set in the order of its manifest."""
    parts = ((0, 0, settings.train), (1, 0, settings.val), (2, 0, settings.test_normal), (2, 1, settings.test_abnormal))
    return [FrameKey(split, label, k) for split, label, count in parts for k in range(count)]


def make_phantom(out: Path, settings: PhantomSettings | None = None, on_progress: OnProgress = no_progress) -> Path:
    """Write the set: ``normal/`` and ``polyp/`` (JPEG), ``masks/`` (PNG, 0 or 255, same stem) and ``manifest.csv``.

    Parameters
    ----------
    out : the folder, which is created if it is missing
    settings : what to write; the same settings give the same bytes (with the same versions of numpy and OpenCV)
    on_progress : called after every frame

    Returns
    -------
    The folder.

    Raises
    ------
    DataError : if the folder holds anything but a phantom set.
    """
    settings = settings or PhantomSettings()
    own_names = {*FINDINGS, "masks", "manifest.csv"}
    if out.is_dir() and (foreign := sorted(path.name for path in out.iterdir() if path.name not in own_names)):
        raise DataError(f"'{out}' already holds other files ('{foreign[0]}'); name a new or empty folder for the phantom set")
    for name in (*FINDINGS, "masks"):
        (out / name).mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, ...]] = [COLUMNS]
    keys = frame_keys(settings)
    for key in keys:
        rows.append(_write(out, settings, key))
        on_progress(Progress("phantom", len(rows) - 1, len(keys)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(out / "manifest.csv", text.getvalue())
    return out


def render(settings: PhantomSettings, key: FrameKey, lesions: bool = True) -> tuple[NDArray[np.uint8], Flags]:
    """Draw one frame.

    Parameters
    ----------
    settings : size, difficulty and seed
    key : which frame of the set
    lesions : False draws an abnormal frame as it was before its lesions grew

    Returns
    -------
    frame : (H, W, 3) uint8 RGB
    mask : (H, W) bool, pixels that lesions change noticeably and that no overlay hides
    """
    patient = _patient(settings, key)
    overlay = overlay_of(settings, key)
    scene = _stream(settings, _SCENE, *key)
    rgb = draw_tissue(scene, settings.height, settings.width, patient.tone, patient.vessels)
    hidden, mask = overlay.hidden(), np.zeros((settings.height, settings.width), bool)
    growth = _stream(settings, _LESION, *key)
    for _ in range(1 + (growth.random() < 0.3) if key.label and lesions else 0):
        mask |= draw_lesion(growth, rgb, hidden | mask, settings.difficulty)
    draw_highlights(scene, rgb, mask)
    return expose(scene, rgb, overlay), mask & ~hidden


def overlay_of(settings: PhantomSettings, key: FrameKey) -> Overlay:
    """Return the border, text and box of a frame, which do not depend on its label."""
    rng = _stream(settings, _OVERLAY, key.split, key.k)
    return draw_overlay(rng, settings.height, settings.width, _patient(settings, key).border)


def _patient(settings: PhantomSettings, key: FrameKey) -> Patient:
    return draw_patient(_stream(settings, _PATIENT, key.split, key.k // FRAMES_PER_PATIENT))


def _stream(settings: PhantomSettings, *key: int) -> np.random.Generator:
    """Return a random generator for one purpose, independent of all other purposes."""
    return np.random.default_rng([settings.seed, *key])


def _write(out: Path, settings: PhantomSettings, key: FrameKey) -> tuple[str, ...]:
    """Write one frame, with its mask where it has lesions, and return its row of the manifest."""
    offset = (0, settings.train, settings.train + settings.val)[key.split] if key.label == 0 else 0
    finding, number = FINDINGS[key.label], offset + key.k + 1
    frame, mask = render(settings, key)
    files = {f"{finding}/{finding}-{number:04d}.jpg": cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]}
    if key.label:
        files[f"masks/{finding}-{number:04d}.png"] = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1]
    for name, data in files.items():
        write_bytes(out / name, data.tobytes())
    name, truth = (*files, "")[:2]
    return name, finding, LABELS[key.label], SPLITS[key.split], key.group, truth
