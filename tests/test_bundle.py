"""A run as a MONAI Bundle: MONAI's own tools accept, describe and run it, and it gives the scores of the command."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from commands import succeed
from monai.bundle import ConfigWorkflow, run, verify_metadata, verify_net_in_out
from untrained import make_frames, make_run
from writers import save

import medgen
from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.errors import DataError, FolderError, RunError
from medgen.runs.run import CALIBRATION, Run, open_run
from medgen.verbs.exporting.bundle import write_bundle
from medgen.verbs.exporting.bundle_parts import CropOrReason, RunNetwork, TableEvaluator, listed, together

ASKED = {  # what https://project-monai.github.io/schema/meta_schema_20240725.json requires
    "bundle": [
        "schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task",
        "description", "authors", "copyright", "network_data_format",
    ],
    "tensor": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
}  # fmt: skip
TENSORS = {"additionalProperties": {"required": ASKED["tensor"]}, "minProperties": 1}
FORMAT = {"required": ["inputs", "outputs"], "properties": {"inputs": TENSORS, "outputs": TENSORS}}
NUMBERS = ["score", "quantile", "valid_share", "component_kl", "component_ssim"]


pytestmark = pytest.mark.filterwarnings("ignore:parsing config_file")  # MONAI says of every bundle to run none of a stranger


class Case(NamedTuple):
    """A run, raw frames, what `medgen score` says of them, and the bundle."""

    run: Run
    frames: Path
    stored: pd.DataFrame
    bundle: Path

    @property
    def configs(self) -> dict[str, str]:
        return {
            "config_file": str(self.bundle / "configs/inference.json"),
            "meta_file": str(self.bundle / "configs/metadata.json"),
        }


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("bundle")
    some = PhantomSettings(train=5, val=24, test_normal=1, test_abnormal=1, width=160, height=160)
    large = PhantomSettings(train=1, val=1, test_normal=1, test_abnormal=3, width=700, height=620)
    frames = make_phantom(root / "frames", some)
    scored = make_phantom(root / "large", large) / "polyp"
    made = make_run(str(api.prepare(frames, root / "data", PrepareSettings(size=32)).folder), root / "run")
    stored = api.score(made.folder, scored, root / "scores", pictures=False).table
    return Case(made, scored, stored, write_bundle(made, root / "out"))


def test_a_threshold_of_another_version_is_put_again_before_it_leaves(case: Case, tmp_path: Path) -> None:
    older = Path(shutil.copytree(case.run.folder, case.run.folder.with_name("older"))) / CALIBRATION  # beside its data set
    older.write_text(json.dumps({**json.loads(older.read_text()), "made_by": "calibration 0"}))
    bundle = write_bundle(open_run(older.parent), tmp_path / "out")
    assert open_run(bundle / "models").threshold()["value"] == case.run.threshold()["value"]


def test_the_schema_of_monai_accepts_what_a_bundle_says_of_itself(case: Case, tmp_path: Path) -> None:
    schema, file = {"required": ASKED["bundle"], "properties": {"network_data_format": FORMAT}}, tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    known = {"hash_val": sha256(file.read_bytes()).hexdigest(), "hash_type": "sha256"}
    verify_metadata(meta_file=case.configs["meta_file"], filepath=str(file), **known)  # the file is there: none is fetched


def test_the_network_takes_and_gives_what_the_bundle_says(case: Case) -> None:
    verify_net_in_out(net_id="network_def", device="cpu", bundle_root=str(case.bundle), **case.configs)


def test_monai_finds_all_that_it_asks_of_a_bundle_for_inference(case: Case) -> None:
    places = {"bundle_root": str(case.bundle), "dataset_dir": str(case.frames)}
    workflow = ConfigWorkflow(workflow_type="infer", logging_file=False, **case.configs, **places)
    workflow.initialize()
    assert workflow.check_properties() == []


def scored(bundle: Path) -> pd.DataFrame:
    return pd.read_csv(bundle / "eval" / "scores.csv")


def test_the_bundle_scores_a_folder_as_the_command_does(case: Case) -> None:
    run(bundle_root=str(case.bundle), dataset_dir=str(case.frames), logging_file=False, **case.configs)
    found = scored(case.bundle)
    assert (
        found["path"].tolist() == case.stored["path"].tolist() and found["abnormal"].tolist() == case.stored["abnormal"].tolist()
    )
    assert found[NUMBERS].to_numpy().tolist() == case.stored[NUMBERS].to_numpy().tolist()


def test_a_bundle_that_was_moved_finds_itself_from_any_folder(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path(shutil.copytree(case.bundle, tmp_path / "moved"))
    for here, file in ((tmp_path, "moved/configs/inference.json"), (moved, "configs/inference.json")):
        monkeypatch.chdir(here)
        workflow = ConfigWorkflow(file, logging_file=False, workflow_type="infer")
        workflow.initialize()
        assert Path(workflow.bundle_root).resolve() == moved.resolve()


def test_a_bundle_of_another_place_is_not_taken_for_the_one_that_is_asked(case: Case, tmp_path: Path) -> None:
    places = [case.bundle, Path(shutil.copytree(case.bundle, tmp_path / "copy"))]
    files = [str(place / "configs/inference.json") for place in places]
    asked = [ConfigWorkflow(file, logging_file=False, workflow_type="infer") for file in files]
    for workflow in asked:
        workflow.initialize()
    assert [Path(workflow.bundle_root) for workflow in asked] == places


@pytest.fixture
def as_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program that runs be `python -m monai.bundle`."""
    program = ModuleType("__main__")
    program.__spec__ = ModuleSpec("monai.bundle.__main__", None)
    monkeypatch.setitem(sys.modules, "__main__", program)


@pytest.mark.usefixtures("as_program")
def test_a_mistake_ends_the_command_of_monai_with_one_line(case: Case, tmp_path: Path) -> None:
    def said(**places: str) -> object:
        with pytest.raises(SystemExit) as ended:
            run(logging_file=False, **{**case.configs, "dataset_dir": str(case.frames), **places})
        return ended.value.code

    missing = str(tmp_path / "none")
    assert said(dataset_dir=missing) == f"medgen: there is no folder of frames '{missing}'; say where they are by --dataset_dir"
    assert str(said(bundle_root=missing)).startswith(f"medgen: '{missing}/models' does not exist")
    (tmp_path / "file").write_text("mine")
    assert str(said(output_dir=str(tmp_path / "file" / "eval"))).startswith("medgen: cannot write ")
    shutil.copytree(case.bundle / "configs", tmp_path / "half" / "configs")
    expected = f"medgen: there is no run in '{tmp_path / 'half' / 'models'}'; say where the bundle is by --bundle_root"
    assert said(config_file=str(tmp_path / "half/configs/inference.json")) == expected


def test_a_table_of_other_frames_does_not_stay_where_none_could_be_scored(case: Case, broken: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.csv").write_text("of other frames")
    with pytest.raises(DataError):
        evaluated(case, broken, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rejected.csv"]


@pytest.mark.skipif(find_spec("fire") is None, reason="`python -m monai.bundle` needs fire, extra bundle")
def test_it_runs_by_the_command_that_it_documents(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(line for line in (case.bundle / "docs/README.md").read_text().splitlines() if "-m monai.bundle" in line)
    words = line.replace("BUNDLE", str(case.bundle)).replace("FRAMES", str(case.frames)).split()[3:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["monai.bundle", *words, "--output_dir", "eval", "--device", "cpu", "--logging_file", "False"]
    )
    runpy.run_module("monai.bundle", run_name="__main__")
    assert scored(tmp_path)["score"].tolist() == case.stored["score"].tolist()


def test_the_run_in_a_bundle_opens_as_any_run(case: Case) -> None:
    inside = medgen.load(case.bundle / "models")
    assert inside.threshold == case.run.threshold()["value"]
    assert inside.score(case.frames).table["score"].tolist() == case.stored["score"].tolist()


def test_nothing_in_a_bundle_says_where_the_data_of_the_training_lie(case: Case) -> None:
    texts = [path.read_text() for path in case.bundle.rglob("*") if path.suffix in (".json", ".toml", ".md", ".csv")]
    assert len(texts) >= 4 and not [text for text in texts if str(case.run.folder.parent) in text]
    origin = open_run(case.bundle / "models").origin
    assert (origin.dataset, origin.source) == ("", "")


def test_a_backend_without_maps_says_that_its_network_gives_scores(tmp_path: Path) -> None:
    made = make_run(make_frames(tmp_path / "frames"), tmp_path / "run", "gan", ["model.width=4", "model.hidden=16"])
    described: dict[str, Any] = json.loads((write_bundle(made, tmp_path / "out") / "configs/metadata.json").read_text())
    pred = described["network_data_format"]["outputs"]["pred"]
    assert pred["spatial_shape"] == ([32, 32] if medgen.load(made.folder).score(np.zeros((32, 32, 3))).maps is not None else [])


def test_frames_of_one_file_are_items_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((2, 40, 40, 3), np.uint8))
    save(tmp_path / "one.png", np.zeros((40, 40, 3), np.uint8))
    assert [(item["path"], item["frame"]) for item in listed(tmp_path)] == [("one.png", -1), ("two.npy#0", 0), ("two.npy#1", 1)]


def evaluated(case: Case, frames: Path, out: Path) -> pd.DataFrame:
    """Score frames by the parts of a bundle."""
    crop = CropOrReason("image", {"size": 32})
    batch = together([crop(item) for item in listed(frames)])
    return TableEvaluator(RunNetwork(case.bundle / "models", "cpu"), [batch], out).run()


def test_what_a_folder_says_of_its_frames_stands_beside_their_scores(case: Case, tmp_path: Path) -> None:
    for folder, name in zip(("normal-cecum", "polyps"), case.stored["path"], strict=False):
        (tmp_path / "source" / folder).mkdir(parents=True)
        shutil.copy(case.frames / name, tmp_path / "source" / folder / name)
    found = evaluated(case, tmp_path / "source", tmp_path / "out").set_index("path")
    own = api.score(case.run.folder, tmp_path / "source", tmp_path / "scores", pictures=False).table.set_index("path")
    assert set(own["label"]) == {"normal", "abnormal"}
    assert found.loc[own.index, ["label", "finding"]].to_dict() == own[["label", "finding"]].to_dict()


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of a file that is empty, and of one that is cut off behind its header."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.dcm").write_bytes(b"")
    whole = save(tmp_path / "b.png", np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).read_bytes()
    (tmp_path / "broken" / "b.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "broken"


def test_files_that_cannot_be_read_keep_no_other_from_its_score_and_are_named(case: Case, broken: Path, tmp_path: Path) -> None:
    name = case.stored["path"][0]
    shutil.copy(case.frames / name, broken / name)
    with pytest.warns(UserWarning, match="could not be read: 2 of the frames; see '.*rejected.csv'"):
        found = evaluated(case, broken, tmp_path / "out")
    assert found["score"].tolist() == case.stored["score"][:1].tolist()
    api.score(case.run.folder, broken, tmp_path / "scores", pictures=False)
    assert (tmp_path / "out" / "rejected.csv").read_text() == (tmp_path / "scores" / "rejected.csv").read_text()


def test_a_folder_of_which_nothing_can_be_read_is_told_with_the_first_reason(case: Case, broken: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 2 frames could be read, the first is 'a"):
        evaluated(case, broken, tmp_path / "out")


def test_a_video_is_left_to_the_command_and_keeps_no_frame_from_its_score(case: Case, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "procedure.mp4").write_bytes(b"")
    shutil.copy(case.frames / case.stored["path"][0], tmp_path / "frames")
    with pytest.warns(UserWarning, match="could not be read: 1 of the frames"):
        found = evaluated(case, tmp_path / "frames", tmp_path / "out")
    assert found["score"].tolist() == case.stored["score"][:1].tolist()
    assert "procedure.mp4,is a video; score it with `medgen score`" in (tmp_path / "out" / "rejected.csv").read_text()


def test_a_folder_that_holds_something_is_left_as_it_is(case: Case, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match="is not empty"):
        write_bundle(case.run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_writes_the_same_bundle_and_writes_it_again(case: Case, tmp_path: Path) -> None:
    told = [succeed("export", case.run.folder, "--out", tmp_path / "again", "--format", "monai-bundle") for _ in range(2)]
    assert told[0].splitlines()[-1] == told[1].splitlines()[-1] == f"bundle: {tmp_path / 'again/configs/inference.json'}"
    for name in ("configs/inference.json", "configs/metadata.json", "models/model.safetensors", "models/calibration.json"):
        assert (tmp_path / "again" / name).read_bytes() == (case.bundle / name).read_bytes()


def test_a_run_without_weights_is_refused(case: Case, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_bytes((case.run.folder / "run.toml").read_bytes())
    with pytest.raises(RunError, match="has no trained weights yet"):
        write_bundle(open_run(tmp_path / "run"), tmp_path / "out")


def test_a_run_that_reads_weights_from_elsewhere_is_refused(case: Case, tmp_path: Path) -> None:
    text = (case.run.folder / "run.toml").read_text()
    (tmp_path / "run").mkdir()
    for path in case.run.folder.iterdir():
        if path.is_file():
            (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "run" / "run.toml").write_text(text.replace('perceptual = ""', 'perceptual = "file:../net.onnx"'))
    with pytest.raises(RunError, match="reads weights from a file that is not in the run"):
        write_bundle(open_run(tmp_path / "run"), tmp_path / "out")
