"""Write a run as a MONAI Bundle, the form in which MONAI's own tools run, share and describe models.

https://docs.monai.io/en/stable/mb_specification.html. ``python -m monai.bundle run --config_file configs/inference.json
--dataset_dir FRAMES``, by the path of that file from any folder, scores a folder of raw frames and writes ``eval/scores.csv``,
the numbers of `medgen score`. It needs medgen and what `monai.bundle` itself asks for (the package fire).

The threshold is beside the weights (``models/calibration.json``), never in them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from medgen import __version__
from medgen.config import with_paths_from
from medgen.engine.fit import WEIGHTS
from medgen.errors import RunError
from medgen.files import write_bytes, write_json, write_text
from medgen.outputs.folder import output_folder
from medgen.outputs.own_files import remove_earlier
from medgen.runs.calibrating.calibrate import renew_calibration
from medgen.runs.made_of import made_of
from medgen.runs.run import CALIBRATION, COMMON_MASK, NORMAL_REFERENCE, Run
from medgen.runs.score_table import RESEARCH
from medgen.verbs.exporting.bundle_parts import MODELS, RunNetwork
from medgen.verbs.score import raw_settings

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
INFERENCE = "configs/inference.json"
METADATA = "configs/metadata.json"  # written last
LOGGING = "configs/logging.conf"
LOG_LINES = """\
[loggers]
keys = root, medgen

[handlers]
keys = stderr

[formatters]
keys = line

[logger_root]
level = WARNING
handlers = stderr

[logger_medgen]
level = INFO
handlers = stderr
qualname = medgen
propagate = 0

[handler_stderr]
class = StreamHandler
formatter = line
args = (sys.stderr,)

[formatter_line]
format = %(name)s: %(message)s
"""
PARTS = "medgen.verbs.exporting.bundle_parts"
STATES = (WEIGHTS, CALIBRATION, NORMAL_REFERENCE, COMMON_MASK)  # files of a run that scores depend on, beside run.toml
TOLD = (
    "medgen",
    "python",
    "torch",
    "lightning-fabric",
    "monai",
    "numpy",
    "finished",
    "recalibrated_on",
)  # facts of a run that leave


def write_bundle(run: Run, out: Path) -> Path:
    """Write a trained run as a MONAI Bundle; return its folder.

    It has ``configs/inference.json``, ``configs/metadata.json``, ``configs/logging.conf``, the run in ``models/`` and
    ``docs/README.md``. Where the data of the training lie, and by which command it was done, stays here.

    Parameters
    ----------
    run : a trained one
    out : folder for what is written

    Raises
    ------
    RunError : if the run is not trained, its backend reads files that are not in the run, or its threshold was put by another
        version of medgen and cannot be put again.
    FolderError : if the folder holds something else, or another process writes into it.
    """
    run.require_weights()
    renew_calibration(run)  # a bundle has no data set to make it of
    chosen = run.settings.model_dump(mode="json")
    if with_paths_from(chosen, run.folder) != with_paths_from(chosen, run.folder / "elsewhere"):
        raise RunError(f"'{run.folder}' reads weights from a file that is not in the run, which a bundle would lack")
    with output_folder(out, "export", (METADATA,), of=made_of(out, [run], format="monai-bundle")):
        remove_earlier(out, METADATA)
        models = out / MODELS
        for name in STATES:
            if (run.folder / name).is_file():
                write_bytes(models / name, (run.folder / name).read_bytes())
        origin = run.origin.model_copy(update={"dataset": "", "source": ""})
        about = {name: fact for name, fact in run.about.items() if name in TOLD}
        moved = replace(run, folder=models, origin=origin, about=about)
        settings = run.settings.model_copy(update={"data": run.settings.data.model_copy(update={"other": ""})})
        replace(moved, settings=settings).write()
        write_json(out / INFERENCE, _inference(run))
        write_text(out / LOGGING, LOG_LINES)
        size, channels = run.origin.prepare.size, run.origin.prepare.channels
        ramp = torch.linspace(0, 1, size * size * channels).reshape(1, channels, size, size)
        drawn = RunNetwork(models, "cpu")(ramp)  # the bundle can be loaded, and this is what comes out
        write_text(out / "docs" / "README.md", _readme(run))
        write_json(out / METADATA, _metadata(run, [*drawn.shape[2:]]))
    return out


def _inference(run: Run) -> dict[str, Any]:
    """Return the configuration; what begins with ``@`` refers to another entry, what begins with ``$`` is evaluated by MONAI."""
    settings = raw_settings(run)
    crop = {"_target_": f"{PARTS}.CropOrReason", "keys": "image", "settings": json.loads(settings.model_dump_json())}
    return {
        "imports": ["$import torch"],
        "bundle_root": {"_target_": f"{PARTS}.own_root"},
        "dataset_dir": "$@bundle_root + '/frames'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "datalist": {"_target_": f"{PARTS}.listed", "folder": "@dataset_dir", "axes": settings.axes},
        "preprocessing": {"_target_": "Compose", "transforms": [crop]},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 32,
            "num_workers": 0,
            "collate_fn": {"_target_": f"{PARTS}.together", "_mode_": "callable"},
        },
        "network_def": {
            "_target_": f"{PARTS}.RunNetwork",
            "run_folder": f"$@bundle_root + '/{MODELS}'",
            "device": "$torch.device(@device).type",
        },
        "inferer": {"_target_": "SimpleInferer"},
        "evaluator": {
            "_target_": f"{PARTS}.TableEvaluator",
            "network": "@network_def",
            "batches": "@dataloader",
            "out": "@output_dir",
        },
        "run": ["$@evaluator.run()"],
    }


def _metadata(run: Run, shape: list[int]) -> dict[str, Any]:
    """Return what MONAI's schema asks to be told of a bundle; `shape` is that of a map, [] of a backend that draws none."""
    size, channels = run.origin.prepare.size, run.origin.prepare.channels
    backend = run.settings.backend
    tensor = {"format": "magnitude", "dtype": "float32", "is_patch_data": False}
    image = {"type": "image", "num_channels": channels, "spatial_shape": [size, size], "value_range": [0, 1]}
    pred = {"type": "image" if shape else "number", "num_channels": 1, "spatial_shape": shape, "value_range": []}
    names = {"0": "red", "1": "green", "2": "blue"} if channels == 3 else {"0": "grey"}
    meaning = "raw anomaly score of the pixel" if shape else "raw anomaly score of the frame"
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "written by medgen"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"medgen": __version__},
        "name": f"{backend} anomaly detector",
        "task": "Anomaly detection in medical images: how unlike normal frames a frame is, and where",
        "description": f"A {backend} that has learnt from normal frames alone. Scores are raw, higher where a frame is more "
        f"anomalous; models/calibration.json holds the threshold. {RESEARCH}",
        "authors": "",
        "copyright": "",
        "intended_use": RESEARCH,
        "image_classes": f"crops of the field of view, {channels} channels in [0, 1]",
        "pred_classes": meaning,
        "eval_metrics": {},
        "references": [],
        "network_data_format": {
            "inputs": {"image": {**tensor, **image, "channel_def": names}},
            "outputs": {"pred": {**tensor, **pred, "channel_def": {"0": meaning}}},
        },
    }


def _readme(run: Run) -> str:
    known = run.threshold()
    limit = "There is no threshold: the run had too few normal validation frames."
    if known.get("value") is not None:
        rate = f"{100 * known['false_alarm_rate']:g} % of {known['normals']} normal validation frames"
        limit = f"The threshold, {known['value']:.6g}, was put at a false-alarm rate of {rate}."
    return f"""# {run.settings.backend}: anomaly detection

{RESEARCH}

It scores a folder of raw frames, and needs medgen {__version__} and fire:

    pip install medgen fire
    python -m monai.bundle run --config_file BUNDLE/configs/inference.json --dataset_dir FRAMES

`eval/scores.csv` has a row for each frame: its raw score, higher where it is more anomalous, its quantile among normal frames,
and the decision at the threshold. {limit}
What could not be read is in `eval/rejected.csv` with the reason. `--output_dir OUT` writes both elsewhere, `--device cpu` leaves
a GPU alone. `medgen.load("BUNDLE/models")` opens the same run in Python.
"""
