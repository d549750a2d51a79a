"""What stands around an exported graph, for whoever runs it without medgen: ``graph.json`` and ``threshold.json``."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from medgen.contract.backend import backend_name
from medgen.data.scorable import LEAST_VALID
from medgen.engine.graph.formats import FORMATS
from medgen.runs.packages import versions
from medgen.runs.run import Run
from medgen.verbs.exporting.frame_graph import FRAMES, MAP, VALID, FrameWork

GRAPH, THRESHOLD, PARITY, SCRIPT, COMMON = "graph.json", "threshold.json", "parity.json", "score_folder.py", "common.npy"
OVERLAY = {
    "mask": "inside: pixels that are not valid are set to 0; 'valid' says which these are in each frame",
    "common": f"'valid' is {COMMON} for every frame; before, what else is no tissue within it has been filled from around it",
    "keep": "nothing is blanked, every pixel counts",
}
MEANING = {
    FRAMES: "crops as they are stored, row by row, 0 to 255",
    VALID: "true where a pixel shows tissue: no border, box, text or highlight",
}


def about_graph(run: Run, work: FrameWork, kind: str, count: int, folder: Path, files: list[str]) -> dict[str, Any]:
    """Return what ``graph.json`` says.

    Parameters
    ----------
    work : that the graph was written of, after it has run
    kind : format of the graph, whose file is the first of `files`
    count : frames that the graph takes at once
    files : names of those in the folder that stay as they are; the threshold's may be edited and has no digest
    """
    own, settings = run.origin.prepare, run.settings
    side, colours = own.size, own.channels
    shapes = {FRAMES: ([count, side, side, colours], "uint8"), VALID: ([count, side, side], "bool")}
    scoring = settings.scoring
    return {
        "what": "a graph that scores crops of frames; for research only, never for diagnosis",
        "format": kind,
        "file": files[0],
        "run": run.name,
        "backend": backend_name(work.scorer.model),
        "weights": run.weights_digest(),
        "inputs": {name: {"shape": shapes[name][0], "type": shapes[name][1], "meaning": MEANING[name]} for name in work.inputs},
        "outputs": {name: [count, side, side] if name == MAP else [count] for name in work.outputs},
        "columns": [name for name in work.outputs if name != MAP],
        "frames_at_once": count,
        "side": side,
        "channels": colours,
        "colour_order": "RGB" if colours == 3 else "grey",
        "scaling": "inside: pixels / 255",
        "crop": {"made_by": "medgen prepare, outside of the graph", "version": run.origin.cropping, "settings": _crop(run)},
        "overlay": {"kept_as": settings.data.overlay, "how": OVERLAY[settings.data.overlay]},
        "least_valid": LEAST_VALID,
        "score": "raw, higher is more anomalous; a frame with a smaller share of valid pixels than least_valid has none",
        "precision": "float32, opened as 'opened_by' says: some programs take a coarser one where the processor has it",
        "opened_by": FORMATS[kind].opened_by,
        "components": [*work.outputs[1 + (MAP in work.outputs) :]],
        "fusion": _fusion(run),
        "scoring": scoring.model_dump(mode="json"),
        "threshold": f"beside, in {THRESHOLD}: a frame is called abnormal where its score is above value",
        "versions": versions(),
        "digests": {name: sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }


def about_threshold(run: Run) -> dict[str, Any]:
    """Return what ``threshold.json`` says: the threshold, its promise, and the normal scores that another one can be had from."""
    calibration: Mapping[str, Any] = run.calibration()
    return {name: fact for name, fact in calibration.items() if name not in ("components", "made_by", "weights")}


def _crop(run: Run) -> dict[str, Any]:
    if run.origin.kind:
        return {"kind": run.origin.kind, **run.settings.data.model_dump(mode="json", include={"pad_to", "resize_to", "channels"})}
    return run.origin.prepare.model_dump(mode="json")


def _fusion(run: Run) -> dict[str, Any] | None:
    """Return how components become the one score, inside the graph, and by which normal frames; None where they do not."""
    reference = run.calibration().get("components")
    if not reference:
        return None
    rule = "inside: the mean of -log10 of how often a normal frame has a component as high, the upper half by an exponential tail"
    return {"rule": rule, "two_sided": [*run.settings.scoring.two_sided], "normal": reference}
