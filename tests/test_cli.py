"""The command as a new user meets it: the whole chain on a tiny set, then every mistake in one helpful line."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import fail, medgen, succeed
from medgen_cli.main import main
from PIL import Image as Picture

from medgen.data.phantom.frames import PhantomSettings, make_phantom

pytestmark = pytest.mark.usefixtures("blank_charts", "narrow_endovae")

TRAIN = ["--set", "data.batch_size=8", "--set", "train.panel_epochs=1"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, prepared data set and a run of two epochs."""
    folder = tmp_path_factory.mktemp("study")
    make_phantom(folder / "frames", PhantomSettings(train=24, val=24, test_normal=12, test_abnormal=12, width=180, height=160))
    succeed("prepare", folder / "frames", "--out", folder / "data", "--size", 32)
    succeed("train", "endovae", folder / "data", "--out", folder / "run", "--epochs", 2, *TRAIN)
    return folder


@pytest.fixture(scope="module")
def reported(study: Path) -> tuple[Path, str]:
    """The folder of the report of that run, and what the command printed."""
    output = succeed("report", study / "run", "--out", study / "page")
    return study / "page", output


def test_training_leaves_log_panels_weights_and_threshold(study: Path) -> None:
    run = study / "run"
    assert list(pd.read_csv(run / "log.csv")["epoch"]) == [1, 2]
    assert sorted(path.name for path in (run / "panels").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    assert list((run / "tensorboard").iterdir())
    calibration = json.loads((run / "calibration.json").read_text())
    assert calibration["normals"] == 24 and calibration["value"] == calibration["scores"][-1]


def test_the_report_is_one_page_with_its_numbers_beside_it(reported: tuple[Path, str]) -> None:
    folder, output = reported
    metrics = json.loads((folder / "metrics.json").read_text())
    assert "AUROC" in output and f"{metrics['detection']['auroc']['value']:.3f}" in output
    assert metrics["frames"] == {"normal": 12, "abnormal": 12, "unlabelled": 0, "groups": metrics["frames"]["groups"]}
    assert metrics["pixel"]["frames"] == 24 and len(pd.read_csv(folder / "scores.csv")) == 24
    page = (folder / "report.html").read_text()
    assert "diagnosis" in page and not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|png)', page)


def test_scores_in_the_report_equal_those_of_the_score_command(study: Path, reported: tuple[Path, str]) -> None:
    succeed("score", study / "run", study / "data", "--out", study / "scores", "--no-pictures")
    a, b = pd.read_csv(reported[0] / "scores.csv"), pd.read_csv(study / "scores" / "scores.csv")
    assert a["id"].tolist() == b["id"].tolist() and np.allclose(a["score"], b["score"], rtol=1e-5)


def test_raw_frames_score_as_their_prepared_selves(study: Path) -> None:
    raw = study / "raw" / "new"
    shutil.copytree(study / "frames" / "polyp", raw)
    (raw / "broken.jpg").write_bytes(b"no image")
    output = succeed("score", study / "run", study / "raw", "--out", study / "raw-scores")
    succeed("score", study / "run", study / "data", "--out", study / "scores", "--no-pictures")
    tables = [pd.read_csv(study / name / "scores.csv") for name in ("raw-scores", "scores")]
    new, old = (table.assign(name=table["path"].str.split("/").str[-1]).set_index("name") for table in tables)
    assert "1 file could not be read" in output and len(new) == 12
    assert np.allclose(new["score"], old.loc[new.index, "score"], rtol=1e-4)
    assert len(list((study / "raw-scores" / "maps").rglob("*.png"))) == 12


def test_the_decision_is_the_score_above_the_stored_threshold(study: Path) -> None:
    succeed("score", study / "run", study / "data", "--out", study / "decided", "--split", "all", "--no-pictures")
    table, threshold = (
        pd.read_csv(study / "decided" / "scores.csv"),
        json.loads((study / "run" / "calibration.json").read_text())["value"],
    )
    assert (table["abnormal"] == (table["score"] > threshold)).all() and table["quantile"].between(0, 1).all()


def test_scores_on_disk_are_those_of_the_calibration_to_the_last_bit(study: Path) -> None:
    succeed("score", study / "run", study / "data", "--out", study / "validation", "--split", "val", "--no-pictures")
    calibrated = json.loads((study / "run" / "calibration.json").read_text())["scores"]
    assert sorted(pd.read_csv(study / "validation" / "scores.csv")["score"]) == sorted(calibrated)


def test_permuting_the_test_labels_changes_no_score_and_no_threshold(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "data", tmp_path / "data")
    index = pd.read_csv(tmp_path / "data" / "index.csv", keep_default_na=False)
    test = index["split"] == "test"
    index.loc[test, ["label", "finding", "annotated"]] = index.loc[test, ["label", "finding", "annotated"]].to_numpy()[::-1]
    index.to_csv(tmp_path / "data" / "index.csv", index=False)
    succeed("train", "endovae", tmp_path / "data", "--out", tmp_path / "run", "--epochs", 2, *TRAIN)
    succeed("score", tmp_path / "run", tmp_path / "data", "--out", tmp_path / "s", "--no-pictures")
    succeed("score", study / "run", study / "data", "--out", tmp_path / "t", "--no-pictures")
    a, b = pd.read_csv(tmp_path / "s" / "scores.csv"), pd.read_csv(tmp_path / "t" / "scores.csv")
    assert a[["score", "abnormal"]].equals(b[["score", "abnormal"]]) and not a["label"].equals(b["label"])


def test_samples_are_one_picture_and_the_same_for_the_same_seed(study: Path) -> None:
    for name in ("a.png", "b.png"):
        succeed("sample", study / "run", "-n", 9, "--out", study / name)
    assert (study / "a.png").read_bytes() == (study / "b.png").read_bytes()


def test_reconstructions_keep_the_names_and_the_prepared_size(study: Path) -> None:
    succeed("reconstruct", study / "run", study / "data", "--out", study / "drawn")
    names = {str(path.relative_to(study / "drawn")) for path in (study / "drawn").rglob("*.png")}
    assert "polyp/polyp-0001.jpg.png" in names and len(names) == 24
    with Picture.open(study / "drawn" / "polyp" / "polyp-0001.jpg.png") as picture:
        assert picture.size == (32, 32)


def test_a_run_can_be_repeated_from_its_folder(study: Path, tmp_path: Path) -> None:
    succeed("train", "endovae", study / "data", "--out", tmp_path / "again", "--epochs", 2, *TRAIN)
    first, again = ((folder / "model.safetensors").read_bytes() for folder in (study / "run", tmp_path / "again"))
    assert first == again


@pytest.mark.parametrize("named", [True, False], ids=["backend-and-data-named", "run-alone"])
def test_a_finished_run_is_lengthened_by_resume(study: Path, named: bool) -> None:
    run = Path(shutil.copytree(study / "run", study / f"longer-{named}"))  # beside its data set, which it names from there
    succeed("train", *(["endovae", study / "data"] if named else []), "--out", run, "--resume", "--epochs", 3)
    assert list(pd.read_csv(run / "log.csv")["epoch"]) == [1, 2, 3]
    assert "was trained for 3 epochs" in fail("train", "--out", run, "--resume", "--epochs", 2)


@pytest.mark.parametrize(
    ("words", "missing"),
    [([], "BACKEND and DATASET are missing"), (["endovae"], "DATASET is missing")],
    ids=["neither", "backend"],
)
def test_a_training_without_backend_or_data_says_how_to_begin_one(words: list[str], missing: str) -> None:
    assert f"{missing}: medgen train BACKEND DATASET --out NEW" in fail("train", *words, "--out", "NEW")


def train_in_a_terminal(words: list[str], errors: Path) -> None:
    """Run the command, in a process of its own, with the answers to signals of a Python that a terminal has started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)  # threads of the parent are not there
    with errors.open("w", encoding="utf-8") as sys.stderr:
        main(words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_everything_and_say_how_to_go_on(study: Path, tmp_path: Path, number: int) -> None:
    run = ["train", "endovae", str(study / "data"), "--out", str(tmp_path / "run"), "--epochs", "500", *TRAIN]
    process = get_context("fork").Process(target=train_in_a_terminal, args=(run, tmp_path / "errors"))  # which costs no import
    process.start()
    try:
        while process.is_alive() and not (tmp_path / "run" / "log.csv").exists():  # however long that takes
            time.sleep(0.1)
        os.kill(process.pid, number)
        process.join(600)
    finally:
        process.kill()
    errors = (tmp_path / "errors").read_text(encoding="utf-8")
    assert process.exitcode == 0 and "--resume" in errors and (tmp_path / "run" / "last.safetensors").is_file(), errors


def test_inspect_prints_and_writes_its_tables(study: Path) -> None:
    output = succeed("inspect", study / "frames", "--out", study / "tables", "--steps", study / "steps", "--limit", 2)
    assert "polyp" in output and "180" in output
    assert {path.name for path in (study / "tables").iterdir()} == {
        ".medgen.json",
        "classes.csv",
        "sizes.csv",
        "groups.csv",
        "rejected.csv",
        "duplicates.csv",
    }
    assert len(list((study / "steps").rglob("*.png"))) == 2


def test_a_wrong_path_names_its_neighbour(study: Path) -> None:
    assert "did you mean" in fail("prepare", study / "frame", "--out", study / "x")


def test_an_empty_folder_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in fail("prepare", tmp_path / "empty", "--out", tmp_path / "x")


def test_a_folder_of_text_files_is_told_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    assert ".jpg" in fail("prepare", tmp_path / "texts", "--out", tmp_path / "x")


def test_a_folder_of_unreadable_images_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("a")
    assert "none of 1 files could be read" in fail("prepare", tmp_path / "bad", "--out", tmp_path / "x")


def test_a_misspelt_backend_leads_to_the_right_one(study: Path) -> None:
    assert "did you mean 'endovae'" in fail("train", "endovea", study / "data", "--out", study / "x")


def test_a_misspelt_setting_leads_to_the_right_one(study: Path) -> None:
    assert "did you mean 'latents'" in fail("train", "endovae", study / "data", "--out", study / "x", "--set", "model.latens=3")


def test_a_misspelt_command_leads_to_the_right_one() -> None:
    assert "did you mean 'train'" in fail("trian", "endovae")


def test_a_missing_argument_is_one_line() -> None:
    assert "RUN" in fail("report")


def test_what_is_said_of_raw_frames_is_refused_of_a_data_set(study: Path, tmp_path: Path) -> None:
    for words in (["score", "--video", "keys"], ["evaluate", "--assume", "normal"]):
        assert "; leave it away" in fail(words[0], study / "run", study / "data", "--out", tmp_path / "x", *words[1:])


def test_a_raw_folder_is_not_trained_on(study: Path) -> None:
    assert "medgen prepare" in fail("train", "endovae", study / "frames", "--out", study / "x")


def test_a_run_folder_from_another_data_size_is_refused(study: Path) -> None:
    succeed("prepare", study / "frames", "--out", study / "large", "--size", 40)
    assert "--size 32" in fail("score", study / "run", study / "large", "--out", study / "x")


def test_a_run_is_not_resumed_on_another_data_set(study: Path) -> None:
    succeed("prepare", study / "frames", "--out", study / "other", "--size", 32, "--seed", 5)
    assert "another data set" in fail("train", "endovae", study / "other", "--out", study / "run", "--resume")


def test_a_run_folder_in_use_is_not_overwritten(study: Path) -> None:
    assert "--resume" in fail("train", "endovae", study / "data", "--out", study / "run")


def test_a_folder_that_is_no_run_is_refused(study: Path) -> None:
    assert "is not a run folder" in fail("report", study / "frames")
    assert "is not a run folder" in fail("report", study / "run/run.toml")


def test_a_gpu_that_is_not_there_is_refused(study: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "--device cpu" in fail("train", "endovae", study / "data", "--out", study / "x", "--device", "cuda")


def test_a_bug_is_one_line_and_a_traceback_with_debug(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medgen import api

    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(api, "sample", broken)
    assert "this is a bug in medgen: ZeroDivisionError" in fail("sample", study / "run", "--out", study / "x.png")
    assert "Traceback" in medgen("--debug", "sample", study / "run", "--out", study / "x.png").output


def test_backends_lists_each_with_its_paper() -> None:
    assert "endovae: EndoVAE" in succeed("backends")


@pytest.mark.parametrize("code", ["import medgen", "from medgen_cli.main import main; main(['--help'])"])
def test_help_and_import_take_under_half_a_second(code: str) -> None:
    assert any(seconds([sys.executable, "-c", code]) < 0.5 for _ in range(9))  # shared cores are slower at times


def seconds(command: list[str]) -> float:
    """Return the processor time of a command: a busy machine does not change it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_does_not_load_torch() -> None:
    code = "import sys\ntry:\n    from medgen_cli.main import main; main(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"
