"""Write a trained run as a graph that other programs run, with what stands around it and how far it is from the run."""

from __future__ import annotations

import platform
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from medgen.data.native.addresses import is_address
from medgen.engine.fixed_shape import at_once
from medgen.engine.graph.formats import FORMATS, GraphFormat
from medgen.engine.graph.trace import write_down
from medgen.errors import BackendError
from medgen.files import replacing, write_bytes, write_json
from medgen.outputs.folder import output_folder
from medgen.outputs.own_files import remove_earlier
from medgen.runs.calibrating.calibrate import renew_calibration
from medgen.runs.datasets import open_trained_on, require_own
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.exporting.bundle import INFERENCE, METADATA, write_bundle
from medgen.verbs.exporting.frame_graph import FrameWork, nobodys_frames, work_of
from medgen.verbs.exporting.parity import check_parity, parity, parity_rows
from medgen.verbs.exporting.sidecar import COMMON, GRAPH, PARITY, SCRIPT, THRESHOLD, about_graph, about_threshold

ExportFormat = Literal["onnx", "torch-export", "openvino", "monai-bundle"]
COMPARED = 500  # frames of each split, at most


class Exported(NamedTuple):
    """What was exported.

    Attributes
    ----------
    folder : that holds it
    files : names of what is in it, the graph first
    parity : the facts of ``parity.json``
    warning : a sentence where something but the score differs from the run's; else ""
    """

    folder: Path
    files: tuple[str, ...]
    parity: dict[str, Any]
    warning: str


def export(
    run_folder: Path,
    out: Path,
    kind: ExportFormat = "onnx",
    *,
    data: Path | None = None,
    frames: int = 0,
    compared: int = COMPARED,
    on_progress: OnProgress = no_progress,
) -> Exported:
    """Write the score of a run as a graph: scaling, overlay, maps, components and their fusion inside, the threshold beside it.

    ``graph.json`` says what stands around the graph, with a SHA-256 of each file. ``threshold.json`` holds the threshold, which
    may be moved, ``parity.json`` how far the graph is from the run on frames of the run's own data set. With ONNX comes
    ``score_folder.py``, which scores a folder of crops with ONNX Runtime and NumPy alone.

    Parameters
    ----------
    run_folder : a trained run
    out : folder for what is written
    kind : "onnx", "torch-export", "openvino", or "monai-bundle", which runs medgen itself: no graph, and nothing to compare
    data : the data set of the training, where it has moved
    frames : that the graph takes at once; 0 for as many as medgen computes at once
    compared : at most so many normal validation frames, and so many test frames, by run and graph

    Raises
    ------
    RunError, DataError : if the run is not trained, or its data set is not there.
    FolderError : if `out` holds something else, or another process writes into it.
    BackendError : if the score cannot be written down as a graph, or not in this format; the message says why.
    ConfigError : if a package that the format needs is not installed.
    MedgenError : if the graph gives other scores than the run.

    Examples
    --------
    >>> exported = api.export(RUN, OUT / "graph", "torch-export")
    >>> exported.files, exported.parity["beyond_tolerance"]
    (('model.pt2', 'parity.json', 'threshold.json', 'graph.json'), [])
    """
    run = open_run(run_folder)
    if kind == "monai-bundle":
        return _bundle(run, out)
    form = FORMATS[kind]
    run.require_weights()
    form.check()
    with output_folder(out, "export", (GRAPH,), of=made_of(out, [run], format=kind)):
        remove_earlier(out, GRAPH, PARITY, THRESHOLD, SCRIPT, COMMON, *form.files)
        own = open_trained_on(run, data if data is None or is_address(data) else data.resolve())
        if data is not None:
            require_own(run, own)
        renew_calibration(run, [own], on_progress=on_progress)
        rows = parity_rows(run, own, compared)
        count = frames or at_once(torch.empty(1, 1, own.size, own.size))
        try:
            work = _write_graph(run, form, out, count, on_progress)
            facts = parity(run, own, rows, form.open(out), work.inputs, work.outputs, count, on_progress)
            warning = check_parity(facts)
        except BaseException:  # half a graph would keep the disk full, and one that is not compared would look finished
            remove_earlier(out, *form.files)
            raise
        facts |= {"versions": {**form.versions(), "python": platform.python_version()}, "warning": warning}
        write_json(out / PARITY, facts)
        write_json(out / THRESHOLD, about_threshold(run))
        beside = [*form.files, PARITY, *_write_beside(run, form, out)]
        write_json(out / GRAPH, about_graph(run, work, kind, count, out, beside))
    return Exported(out, (*beside, THRESHOLD, GRAPH), facts, warning)


def _bundle(run: Run, out: Path) -> Exported:
    folder = write_bundle(run, out)
    first = [INFERENCE, METADATA]
    others = sorted(str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file())
    return Exported(folder, (*first, *(name for name in others if name not in first and not name.startswith("."))), {}, "")


def _write_graph(run: Run, form: GraphFormat, out: Path, count: int, on_progress: OnProgress) -> FrameWork:
    """Write the graph of a run's score.

    Raises
    ------
    BackendError : naming the backend and why it has no graph.
    """
    work = work_of(run)
    try:
        on_progress(Progress("export", 0, 0, {}, "the score is written down as a graph"))
        program = write_down(work, nobodys_frames(run, count))
        form.write(program, out, work.inputs, work.outputs)
    except BackendError as error:
        raise BackendError(
            f"{run.settings.backend} cannot be exported: {error}; or take --format monai-bundle, which runs medgen"
        ) from error
    return work


def _write_beside(run: Run, form: GraphFormat, out: Path) -> list[str]:
    """Write the common mask of a run that has one, else the script, where one fits the format; return the name."""
    mask = run.common_mask()
    if mask is not None:  # whose frames have to be filled by medgen first, so that no script does without it
        with replacing(out / COMMON) as temporary, temporary.open("wb") as file:
            np.save(file, mask)
        return [COMMON]
    if form is not FORMATS["onnx"]:
        return []
    write_bytes(out / SCRIPT, package_files("medgen.verbs.exporting").joinpath(SCRIPT).read_bytes())
    return [SCRIPT]
