"""Export every backend in every format: `python tests/soak/exports.py OUT` writes OUT/exports.json.

Each backend is trained for an epoch on phantom frames of 48 x 48 pixels, in the widths of its tests (`tests/tiny.py`); those that
can leave frames out are fitted so, too. Each run is exported in each format and compared with itself, on its own validation and
test frames, by `medgen export`: the largest difference of scores and of maps as a share of their largest value, AUROC by the run
and by the graph, decisions that differ, seconds and megabytes. Where an export is refused, the line that says why is kept. What
is measured already stays. It needs the extras onnx and openvino.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny import NARROW

from medgen import api, registry
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings, read_table
from medgen.engine.graph.formats import FORMATS
from medgen.errors import MedgenError
from medgen.files import read_json, write_csv, write_json

SETTINGS = ("train.epochs=1", "train.panel_epochs=0", "data.batch_size=8")
UNUSED = 12  # abnormal test frames that become the second domain of backends that have one
CALIBRATIONS = ("split", "cv+", "jackknife+")


def phantom(folder: Path) -> Path:
    """Prepare phantom frames, some of the abnormal ones in split "unused"; return the data set."""
    source = make_phantom(folder / "source", PhantomSettings(train=32, val=24, test_normal=16, test_abnormal=28))
    out = api.prepare(source, folder / "data", PrepareSettings(size=48)).folder
    index = read_table(out / "index.csv")
    abnormal = np.flatnonzero((index["split"] == "test") & (index["label"] == "abnormal"))
    index.loc[abnormal[:UNUSED], "split"] = "unused"
    write_csv(out / "index.csv", index)
    return out


def works() -> list[tuple[str, str]]:
    """Return each backend with each way in which it can be calibrated."""
    found, able = [], registry.having("leave_out")
    for name in registry.names():
        leaves_out = name in able
        found += [(name, calibration) for calibration in (CALIBRATIONS if leaves_out else CALIBRATIONS[:1])]
    return found


def measure(run: Path, out: Path, kind: Any) -> dict[str, Any]:
    """Export a run and return what is known of the graph, or why there is none."""
    began = time.perf_counter()
    try:
        exported = api.export(run, out, kind)
    except MedgenError as error:
        return {"refused": str(error), "seconds": round(time.perf_counter() - began, 1)}
    facts, shares = exported.parity, exported.parity["share_of_largest_value"]
    return {
        "frames": facts["frames"],
        "score": shares["score"],
        "map": shares.get("map"),
        "beyond_tolerance": facts["beyond_tolerance"],
        "auroc": facts["auroc"],
        "decisions_that_differ": facts["decisions_that_differ"],
        "seconds": round(time.perf_counter() - began, 1),
        "megabytes": round(sum((out / name).stat().st_size for name in FORMATS[kind].files) / 1e6, 2),
    }


def main(out: Path) -> None:
    """Export what is not measured yet."""
    file = out / "exports.json"
    with tempfile.TemporaryDirectory() as temporary:
        folder, data = Path(temporary), None
        for name, calibration in works():
            known = read_json(file)
            named = name if calibration == "split" else f"{name}, {calibration}"
            if named in known:
                continue
            data = data or phantom(folder)
            run, found = folder / named, {}
            chosen = [] if calibration == "split" else [f'scoring.calibration="{calibration}"']
            try:
                api.train(data, run, api.recipe(name, None, [*SETTINGS, *NARROW.get(name, ()), *chosen]))
            except MedgenError as error:
                found = {"no run": {"refused": str(error)}}
            else:
                found = {kind: measure(run, folder / f"{named} {kind}", kind) for kind in FORMATS}
            write_json(file, {**known, named: found})
            for kind, facts in found.items():
                sys.stdout.write(f"{named}: {kind}: {facts.get('refused') or facts}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    from benchmarks.usage import arguments

    main(Path(arguments(__doc__)[0]))
