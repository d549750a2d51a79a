"""Each verb that writes into a folder, on a handful of small frames and an untrained run: to be killed by `kills.walk`."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
from commands import medgen
from kills import Verb
from sources import folder, mnist
from untrained import SMALL, make_run, save_lite
from writers import dicom

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.errors import DataError, RunError
from medgen.runs.run import open_run
from medgen.verbs import demo

TINY = PrepareSettings(size=16)
FEW = PhantomSettings(train=6, val=4, test_normal=2, test_abnormal=2, width=160, height=160)
RECIPE = (*SMALL, "train.epochs=2", "train.log_steps=1", "data.overlay=common", "train.panel_epochs=1")


def killed_verbs(root: Path) -> dict[str, Verb]:
    """Make what the verbs read, and return the verbs by their names."""
    frames = make_phantom(root / "frames", FEW)
    data = api.prepare(frames, root / "data", TINY, 1)
    run = make_run(data.address, root / "run").folder
    translator = make_run(
        data.address,
        root / "translator",
        "cyclegan",
        ["model.generator_width=4", "model.critic_width=4", f"data.other={data.address}"],
    ).folder
    others = root / "others"
    for name in ("normal", "polyp"):
        shutil.copytree(frames / name, others / name)
    api.prepare(frames, root / "copied", TINY.model_copy(update={"copies": 1}), 1)  # what it imports is there before any child
    new = root / "new"
    shutil.copytree(frames / "polyp", new)
    copies = TINY.model_copy(update={"copies": 1})
    study = partial(api.study_of, data.folder, ["vae"], assignments=[*SMALL, "train.epochs=1"])
    finished = make_run(data.address, root / "finished").with_facts(finished="for tests").folder
    noise = folder(root / "noise", "normal", count=24, side=16)
    _plant(root / "dicom")
    digits, photographs = mnist(root / "mnist"), folder(root / "photographs", "train", count=2, side=32)
    save_lite(root / "lite.safetensors")
    return {
        "prepare": Verb(lambda out: api.prepare(frames, out, copies, 1)),
        "prepare --overwrite": Verb(
            lambda out: api.prepare(frames, out, copies, 1, overwrite=True), lambda out: api.prepare(frames, out, TINY, 1)
        ),
        "prepare --shards": Verb(lambda out: api.prepare(frames, out, copies, 1, shards=5)),
        "prepare --shards --overwrite": Verb(
            lambda out: api.prepare(frames, out, copies, 1, overwrite=True, shards=5),
            lambda out: api.prepare(frames, out, TINY, 1),
        ),
        "train": Verb(partial(_train, data.folder)),
        "score": Verb(lambda out: api.score(run, new, out)),
        "maps": Verb(lambda out: api.maps(run, new, out)),
        "report": Verb(
            lambda out: api.report([out / "run"], out / "page", dataset=data.folder),
            lambda out: shutil.copytree(run, out / "run"),
        ),
        "maps --deidentify": Verb(partial(_nameless_maps, run, root / "dicom"), timed=True),  # files made anew have their times
        "report --input": Verb(lambda out: api.rank(run, new, out, top=2)),
        "evaluate": Verb(lambda out: api.evaluate(run, others, out)),
        "recalibrate": Verb(lambda out: api.recalibrate(finished, noise, out)),
        "reconstruct": Verb(lambda out: api.reconstruct(run, new, out)),
        "sample": Verb(lambda out: api.sample(run, out, 3)),
        "translate": Verb(lambda out: api.translate(translator, new, out)),
        "audit": Verb(lambda out: api.audit(data.folder, out=out)),
        "inspect": Verb(lambda out: api.inspect(frames, workers=1).write(out)),
        "compare": Verb(lambda out: api.compare(study(), out), timed=True),
        "compare of runs": Verb(lambda out: api.compare_runs([run, translator], out)),
        "export": Verb(lambda out: api.export(run, out, "onnx")),  # what torch.export writes differs from one export to the next
        "export of a bundle": Verb(lambda out: api.export(run, out, "monai-bundle")),
        "demo": Verb(_demo, timed=True),
        "medgen train": Verb(partial(_train_by_command, data.folder)),
        "prepare mnist-m": Verb(lambda out: api.make_mnist_m(digits, photographs, out)),
        "prepare --pseudonymise": Verb(
            lambda out: api.prepare(frames, out / "data", TINY, 1, key=out / "apart" / "key.json"), _leave_a_key
        ),
        "reveal": Verb(_reveal, lambda out: _hide(frames, out)),
        "inspect --steps": Verb(lambda out: api.crop_steps(frames, out, limit=3)),
        "sample to a picture": Verb(lambda out: api.sample(run, out / "drawn.png", 3)),
        "edit": Verb(lambda out: api.edit(run, data.folder, out / "edited.png", source="normal", target="normal")),
        "fid": Verb(partial(_fid, data.folder, root / "lite.safetensors"), lambda out: shutil.copytree(run, out / "run")),
        "threshold": Verb(lambda out: api.set_threshold(out / "run", 0.25), lambda out: shutil.copytree(run, out / "run")),
    }


def _leave_a_key(out: Path) -> None:
    """Leave a key in which no name is yet; without one each call draws its own."""
    (out / "apart").mkdir(parents=True)
    (out / "apart" / "key.json").write_text(json.dumps({"key": "7" * 64, "names": {}}))


def _hide(frames: Path, out: Path) -> None:
    """Leave a set whose names are in a key, the same one each time."""
    _leave_a_key(out)
    api.prepare(frames, out / "data", TINY, 1, key=out / "apart" / "key.json")


def _reveal(out: Path) -> None:
    told = medgen("reveal", out / "data" / "index.csv", "--key", out / "apart" / "key.json", "--out", out / "apart" / "names.csv")
    if told.exit_code:
        raise DataError(told.output)


def _plant(root: Path) -> None:
    """Write two DICOM files that name somebody."""
    root.mkdir()
    for number in range(2):
        grey = np.kron(np.random.default_rng(number).integers(60, 200, (6, 6), dtype=np.uint8), np.ones((8, 8), np.uint8))
        file = dicom(grey, "MONOCHROME2", PatientName="Zwetschgenbaum^Quillfeather", SOPInstanceUID=f"1.2.826.55.3.{number}")
        file.save_as(root / f"{number}.dcm", enforce_file_format=True)


def _nameless_maps(run: Path, files: Path, out: Path) -> None:
    """Write maps of files under new UIDs, which are counted here: random ones would be others in each call."""
    numbers = itertools.count(1)
    pydicom.uid.generate_uid = lambda *_, **__: pydicom.uid.UID(f"2.25.{next(numbers)}")  # type: ignore[assignment]
    api.maps(run, files, out, deidentify=True)


def _fid(dataset: Path, weights: Path, out: Path) -> None:
    os.environ["MEDGEN_CACHE"] = str(out / "cache")  # of this child alone; what is kept between runs is killed, too
    api.fid(out / "run", dataset, extractor=f"efficientnet-lite0@{weights}", n=8, split="all")


def _train(dataset: Path, out: Path) -> None:
    try:
        api.train(dataset, out, api.recipe("vae", None, RECIPE))
    except RunError:  # it was killed after its last word: the same command says that the run is finished
        if not open_run(out).finished():
            raise


def _train_by_command(dataset: Path, out: Path) -> None:
    """Train as a user does, with the command's own answer to signals."""
    words = [part for setting in RECIPE for part in ("--set", setting)]
    told = medgen("train", "vae", dataset, "--out", out, *words)
    if told.exit_code and "holds a finished run" not in told.output:
        raise RunError(told.output)


def warm_up(verbs: Mapping[str, Verb], root: Path) -> None:
    """Let this process import what its children will need, which takes each of them longer than the verb itself."""
    for name in ("train", "report --input"):
        verbs[name].call(root / name)


def _demo(out: Path) -> None:
    demo.PhantomSettings = lambda difficulty: FEW  # type: ignore[assignment,misc]
    api.demo(out, epochs=1)
