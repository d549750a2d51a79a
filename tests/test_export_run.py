"""A run as a graph for other programs: what is in the folder, and that others' programs say what medgen says."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import fail, succeed
from numpy.typing import NDArray
from PIL import Image
from tiny import batch
from untrained import make_frames, make_run

from medgen import api
from medgen.engine.graph.batches import graph_of_batches
from medgen.errors import MedgenError
from medgen.runs.run import Run
from medgen.types import Batch
from medgen.verbs.exporting.parity import check_parity

pytestmark = pytest.mark.usefixtures("no_stacks")
needs_onnx = pytest.mark.skipif(find_spec("onnxscript") is None, reason="onnxscript is not installed: the extra 'onnx'")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed: the extra 'openvino'")
ALONE = """import runpy, sys
sys.modules.update(dict.fromkeys(("medgen", "medgen_cli", "torch", "pandas")))  # whoever imports one of these fails
sys.argv[1:] = sys.argv[2:]
runpy.run_path({script!r}, run_name="__main__")"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("exported")
    return make_run(make_frames(root / "frames"), root / "run")


@pytest.fixture(scope="module")
def onnx(run: Run) -> Path:
    if find_spec("onnxscript") is None:
        pytest.skip("onnxscript is not installed: the extra 'onnx'")
    return api.export(run.folder, run.folder.parent / "onnx", "onnx", frames=4).folder


@pytest.fixture(scope="module")
def scores(run: Run) -> pd.DataFrame:
    """What medgen says of the abnormal test frames."""
    return api.score(
        run.folder, run.folder.parent / "frames" / "test" / "bad", run.folder.parent / "scores", pictures=False
    ).table


def scored_alone(folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    """Run the script of a folder in a process in which medgen and PyTorch cannot be imported."""
    code = ALONE.format(script=str(folder / "score_folder.py"))
    return subprocess.run([sys.executable, "-c", code, "-", str(source)], capture_output=True, text=True, timeout=120)


def table(printed: str) -> pd.DataFrame:
    rows = [*csv.DictReader(io.StringIO(printed))]
    return pd.DataFrame(rows).set_index("path")


def test_a_folder_of_crops_is_scored_without_medgen(run: Run, onnx: Path, scores: pd.DataFrame) -> None:
    found = table(scored_alone(onnx, run.folder.parent / "frames" / "test" / "bad").stdout)
    own = scores.assign(path=scores["path"].map(lambda path: Path(path).name)).set_index("path").loc[found.index]
    for name in ("score", "component_ssim"):
        np.testing.assert_allclose(found[name].astype(float), own[name], rtol=1e-5)
    assert (found["abnormal"] == own["abnormal"].astype(str)).all()


def test_a_moved_threshold_moves_decisions_and_no_score(run: Run, onnx: Path, tmp_path: Path) -> None:
    source, moved = run.folder.parent / "frames" / "test" / "bad", Path(copytree(onnx, tmp_path / "moved"))
    before = table(scored_alone(onnx, source).stdout)
    rule = json.loads((moved / "threshold.json").read_text())
    (moved / "threshold.json").write_text(json.dumps({**rule, "value": float(np.median(before["score"].astype(float)))}))
    after = table(scored_alone(moved, source).stdout)
    assert after["score"].equals(before["score"]) and (after["abnormal"] == "True").sum() == len(after) // 2


def test_a_prepared_set_is_scored_without_medgen_and_without_frames_of_no_tissue(onnx: Path, tmp_path: Path) -> None:
    valid = np.ones((3, 32, 32), bool)
    valid[1] = False
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    np.save(tmp_path / "valid.npy", valid)
    (tmp_path / "index.csv").write_text("id,path\n0,a\n1,b\n2,c\n")
    found = table(scored_alone(onnx, tmp_path).stdout)
    assert found["score"].astype(float).isna().tolist() == [False, True, False] and found["abnormal"]["b"] == ""


def test_what_is_no_crop_of_8_bits_is_named_and_left_out(run: Run, onnx: Path, tmp_path: Path) -> None:
    good = run.folder.parent / "frames" / "test" / "good" / "00.png"
    pixels = np.asarray(Image.open(good))
    for name in ("a.png", "B.PNG"):
        (tmp_path / name).write_bytes(good.read_bytes())
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(pixels[:16]).save(tmp_path / "small.png")
    (tmp_path / "notes.txt").write_text("seen")
    found = scored_alone(onnx, tmp_path)
    assert set(table(found.stdout).index) == {"a.png", "B.PNG"}
    assert [line.split(":")[1].strip() for line in found.stderr.splitlines()] == ["deep.png", "notes.txt", "small.png"]


def test_a_folder_of_no_crops_is_told_in_a_line(onnx: Path, tmp_path: Path) -> None:
    told = scored_alone(onnx, tmp_path)
    assert told.returncode == 1 and "has no crops and no frames.npy" in told.stderr and told.stderr.count("\n") == 1


def test_the_script_refuses_another_graph_than_the_one_that_was_exported(run: Run, onnx: Path, tmp_path: Path) -> None:
    changed = Path(copytree(onnx, tmp_path / "changed"))
    with (changed / "model.onnx").open("ab") as file:
        file.write(b"\0")
    told = scored_alone(changed, run.folder.parent / "frames" / "test" / "bad")
    assert told.returncode == 1 and told.stderr == "model.onnx is not the file that was exported\n"


def test_the_script_knows_frames_of_a_table_that_was_sorted(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "medgen" / "verbs" / "exporting" / "score_folder.py"
    about = {"inputs": {"frames": {"shape": [2, 2, 2, 1]}}, "columns": ["score"], "file": "graph", "least_valid": 0.1}
    files = {"score_folder.py": script.read_bytes(), "graph": b"", "threshold.json": b"{}", "index.csv": b"path,row\nb,1\na,0\n"}
    files["graph.json"] = json.dumps(about | {"digests": {"graph": sha256(b"").hexdigest()}}).encode()
    files["onnxruntime.py"] = b"""class InferenceSession:
    def __init__(self, graph, providers): pass
    def run(self, names, inputs): return [inputs["frames"].mean((1, 2, 3))]
"""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "frames.npy", np.stack([np.full((2, 2, 1), value, np.uint8) for value in (10, 20)]))
    np.save(tmp_path / "valid.npy", np.ones((2, 2, 2), bool))
    told = subprocess.run(
        [sys.executable, tmp_path / "score_folder.py", tmp_path], capture_output=True, text=True, timeout=120, check=True
    )
    assert table(told.stdout)["score"].to_dict() == {"a": "10.0", "b": "20.0"}


def test_the_script_is_a_page_of_code() -> None:
    lines = Path(__file__).parents[1] / "medgen" / "verbs" / "exporting" / "score_folder.py"
    code = lines.read_text(encoding="utf-8").split('"""')[2].splitlines()
    assert len([line for line in code if line.strip()]) <= 40


def test_the_sidecar_has_the_digest_of_each_file_that_stays(onnx: Path) -> None:
    about = json.loads((onnx / "graph.json").read_text())
    digests = {name: sha256((onnx / name).read_bytes()).hexdigest() for name in ("model.onnx", "parity.json", "score_folder.py")}
    assert about["digests"] == digests and about["inputs"]["frames"]["shape"] == [4, 32, 32, 3]


def crops() -> dict[str, NDArray[Any]]:
    """Four crops that nobody took, as a graph of four takes them."""
    random = np.random.default_rng(0)
    return {"frames": random.integers(0, 256, (4, 32, 32, 3), np.uint8), "valid": random.random((4, 32, 32)) > 0.1}


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open a graph by the call that its sidecar names."""
    call = json.loads((folder / "graph.json").read_text())["opened_by"]
    monkeypatch.chdir(folder)
    return eval(call, {(name := call.partition(".")[0]): import_module(name)})


def test_a_graph_is_opened_by_the_call_that_its_sidecar_names(onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = json.loads((onnx / "graph.json").read_text())
    assert [given.name for given in opened(onnx, monkeypatch).get_inputs()] == [*about["inputs"]]


def test_parity_is_measured_on_the_normal_validation_frames_and_the_test_frames(onnx: Path) -> None:
    facts = json.loads((onnx / "parity.json").read_text())
    assert facts["splits"] == {"val": 24, "test": 16} and facts["share_of_largest_value"]["map"] < facts["tolerance"]
    assert facts["auroc"]["graph"] == pytest.approx(facts["auroc"]["run"]) and facts["auroc_frames"] == 16


def test_the_threshold_is_nowhere_but_in_its_own_file(run: Run, onnx: Path) -> None:
    value = run.threshold()["value"]
    assert value is not None and json.loads((onnx / "threshold.json").read_text())["value"] == value
    assert repr(value) not in (onnx / "graph.json").read_text() and np.float32(value).tobytes() not in _bytes(onnx)


def _bytes(folder: Path) -> bytes:
    return (folder / "model.onnx").read_bytes()


@needs_onnx
def test_the_graph_gives_the_same_table_as_pytorch(run: Run, scores: pd.DataFrame, tmp_path: Path) -> None:
    bad = run.folder.parent / "frames" / "test" / "bad"
    said = succeed("score", run.folder, bad, "--out", tmp_path / "s", "--no-pictures", "--runtime", "onnx")
    found = pd.read_csv(tmp_path / "s" / "scores.csv")
    assert "scored with onnxruntime" in said and [*found.columns] == [*scores.columns]
    numbers = [name for name in scores.select_dtypes("number") if scores[name].notna().all()]
    assert len(numbers) > 10
    np.testing.assert_allclose(found[numbers], scores[numbers], rtol=1e-4, atol=1e-6)


@needs_onnx
def test_an_operator_may_have_the_name_of_a_part_of_a_batch() -> None:
    table = torch.tensor([2, 0, 1])

    def picks(frames: Batch) -> torch.Tensor:
        return frames.image[:, table] * 2  # by the operator "index"

    torch.testing.assert_close(graph_of_batches(picks, batch(2))(batch(2)), picks(batch(2)))


@needs_openvino
def test_openvino_reads_what_is_exported_for_it_and_computes_as_the_sidecar_says(
    run: Run, onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = api.export(run.folder, tmp_path / "openvino", "openvino", frames=4)
    assert exported.files[:2] == ("model.xml", "model.bin") and not exported.parity["beyond_tolerance"]
    given = crops()
    found = opened(exported.folder, monkeypatch)(given)["score"]
    np.testing.assert_allclose(found, opened(onnx, monkeypatch).run(["score"], given)[0], rtol=1e-4)


@needs_onnx
def test_pytorch_takes_the_frames_by_name_and_gives_its_numbers_by_name(
    run: Run, onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = api.export(run.folder, tmp_path / "torch", "torch-export", frames=4)
    assert exported.files[0] == "model.pt2" and not exported.parity["beyond_tolerance"]
    given = crops()
    with torch.no_grad():
        found = opened(exported.folder, monkeypatch)(**{name: torch.from_numpy(one) for name, one in given.items()})
    assert [*found] == [*json.loads((exported.folder / "graph.json").read_text())["outputs"]]
    wanted = opened(onnx, monkeypatch).run([*found], given)
    for one, other in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_other_scores_are_refused_and_another_map_is_told() -> None:
    facts = {"beyond_tolerance": ["map"], "share_of_largest_value": {"score": 1e-7, "map": 2e-3}}
    assert "map by 2.0e-03 of the largest value, 0.0001 is allowed" in check_parity(facts)
    with pytest.raises(MedgenError, match=r"they differ by 1.0e-02 of their largest value, 0.0001 is allowed"):
        check_parity({"beyond_tolerance": ["score"], "share_of_largest_value": {"score": 1e-2}})


def test_a_folder_of_another_run_or_verb_is_refused(run: Run) -> None:
    assert "holds no result of `medgen export`" in fail("export", run.folder, "--out", run.folder.parent / "frames")


def test_another_data_set_than_that_of_the_training_is_refused(run: Run, tmp_path: Path) -> None:
    grey, fewer = (
        copytree(run.folder.parent / "frames", tmp_path / "grey"),
        copytree(run.folder.parent / "frames", tmp_path / "fewer"),
    )
    for picture in [*grey.rglob("*.png")]:
        Image.open(picture).convert("L").save(picture)
    next(fewer.rglob("*.png")).unlink()
    for data, reason in ((grey, "was trained on 32 x 32 x 3"), (fewer, "is not the data set that")):
        assert reason in fail("export", run.folder, "--out", tmp_path / "out", "--data", f"folder:{data}")


def test_a_data_set_that_has_moved_is_asked_for(run: Run, tmp_path: Path) -> None:
    (run.folder.parent / "frames").rename(run.folder.parent / "elsewhere")
    try:
        assert "frames" in fail("export", run.folder, "--out", tmp_path / "out", "--format", "torch-export")
    finally:
        (run.folder.parent / "elsewhere").rename(run.folder.parent / "frames")
