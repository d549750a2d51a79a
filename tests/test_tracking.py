"""Trackers are told what a run is and measures, nothing of a person or a computer, and end no training.

Those of MLflow and Weights & Biases need the extras of these names; without them they skip.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from commands import SMALL_VAE, fail, succeed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from untrained import make_frames

from medgen import api
from medgen.errors import ConfigError
from medgen.runs.run import open_run
from medgen.types import no_progress
from medgen.verbs.tracking import tracker as module
from medgen.verbs.tracking.tracker import HOMES, note_report

PERSON, ABOVE, REMOTE = "meierhuber", "dr_huber_private", "github.invalid/klinik"
HOST = socket.gethostname()
HERE = [name for name, (_, packages) in HOMES.items() if all(map(find_spec, packages))]
needs = {name: pytest.mark.skipif(name not in HERE, reason=f"medgen[{name}] is not installed") for name in HOMES}
pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that trackers bring


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, blank_charts: None) -> Iterator[Path]:
    """A run of three epochs, the last one resumed, with all trackers that are here, and reported on twice.

    The folder, the user, the computer and the repository around it have names that nobody else may learn.
    """
    folder = tmp_path_factory.mktemp("tracked") / ABOVE
    make_frames(folder / "frames")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "remote", "add", "origin", f"https://{PERSON}@{REMOTE}.git"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr("sys.argv", [f"/home/{PERSON}/bin/medgen", "train"])
        for variable in ("USER", "LOGNAME", "USERNAME"):
            patch.setenv(variable, PERSON)
        patch.setenv("HOME", str(folder / PERSON))
        for asked in ("socket.gethostname", "platform.node"):
            patch.setattr(asked, lambda: f"computer-of-{PERSON}")
        chosen = [word for name in HERE for word in ("--tracker", name)]
        chosen += ["--epochs", "2", "--set", "train.panel_epochs=1"]
        succeed("train", "vae", "folder:frames", "--out", "run", *SMALL_VAE, *chosen)
        succeed("train", "vae", "folder:frames", "--out", "run", "--resume", "--epochs", 3)
        succeed("report", "run", "--out", "page")
        metrics = json.loads((folder / "page" / "metrics.json").read_text())
        note_report(open_run(folder / "run"), metrics, folder / "page" / "report.html", no_progress)  # as a second report does
        yield folder / "run"


@pytest.fixture(scope="module")
def board(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0}).Reload()


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "log.csv")


def test_tensorboard_has_each_number_of_the_log(run: Path, board: EventAccumulator) -> None:
    for name, column in log(run).items():
        assert [event.value for event in board.Scalars(str(name).replace(".", "/"))] == pytest.approx(column.tolist(), rel=1e-6)


def test_tensorboard_has_settings_and_panels(run: Path, board: EventAccumulator) -> None:
    assert b"| model.widths | [8] |" in board.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]
    assert [event.step for event in board.Images("panels")] == [1, 2, 3]


def test_tensorboard_has_the_measures_of_the_last_report_alone(run: Path, board: EventAccumulator) -> None:
    metrics = json.loads((run.parent / "page" / "metrics.json").read_text())
    (event,) = board.Scalars("report/detection/auroc")
    assert event.value == pytest.approx(metrics["detection"]["auroc"]["value"]) and event.step == 3
    assert len([*(run / "tensorboard").glob("*.report")]) == 1


@needs["mlflow"]
def test_mlflow_has_one_run_with_settings_numbers_panels_and_page(run: Path) -> None:
    rows = sqlite3.connect(run / "mlflow" / "mlflow.db")
    ((key, name, uri),) = rows.execute("select run_uuid, name, artifact_uri from runs").fetchall()
    assert (key, name) == (json.loads((run / "trackers.json").read_text())["mlflow"], "run")
    assert ("[8]",) in rows.execute("select value from params where key = 'model.widths'").fetchall()
    losses = rows.execute("select step, value from metrics where key = 'val/loss' order by step").fetchall()
    assert losses == [(row["epoch"], pytest.approx(row["val.loss"])) for row in log(run).to_dict("records")]
    assert rows.execute("select count(*) from metrics where key = 'report/detection/auroc'").fetchall() != [(0,)]
    files = run / "mlflow" / "artifacts" / uri.removeprefix("mlflow-artifacts:/")
    kept = {path.relative_to(files).as_posix() for path in files.rglob("*.*")}
    assert kept == {*(f"panels/epoch-000{k}.png" for k in (1, 2, 3)), "report/report.html", "report/metrics.json"}


@needs["mlflow"]
def test_mlflow_tells_its_makers_nothing(run: Path) -> None:
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()


@needs["wandb"]
def test_wandb_stays_offline_and_knows_each_part_as_one_run(run: Path) -> None:
    key = json.loads((run / "trackers.json").read_text())["wandb"]
    parts = [path.name for path in (run / "wandb").iterdir()]
    assert len(parts) == 4 and all(part.startswith("offline-run-") and part.endswith(key) for part in parts)
    held = b"".join(path.read_bytes() for path in (run / "wandb").rglob("*.wandb"))
    assert all(word in held for word in (b"val/loss", b"report/detection/auroc", b"model.widths", b"panels"))
    assert len([*(run / "wandb").rglob("*.png")]) == 3 and [*(run / "wandb").rglob("report_*.html")]


def test_no_file_of_a_tracker_names_a_person_a_computer_a_folder_above_or_a_repository(run: Path) -> None:
    files = [path for path in run.rglob("*") if path.is_file() or path.is_symlink()]
    for name in (PERSON, ABOVE, REMOTE, str(Path.home())):
        assert [path for path in files if name in str(path.relative_to(run)) or name.encode() in path.read_bytes()] == []
    assert not [path for path in files if path.is_symlink()]


@needs["wandb"]
def test_what_no_python_writes_does_not_name_the_computer_either(run: Path) -> None:
    word = re.compile(rb"(?<![\w.-])" + re.escape(HOST).encode() + rb"(?![\w.-])")
    assert [path for path in (run / "wandb").rglob("*.wandb") if word.search(path.read_bytes())] == []


def test_none_leaves_no_tracker(run: Path, tmp_path: Path) -> None:
    succeed("train", "vae", f"folder:{run.parent / 'frames'}", "--out", tmp_path / "run", *SMALL_VAE, "--tracker", "none")
    assert not (tmp_path / "run" / "tensorboard").exists() and (tmp_path / "run" / "log.csv").is_file()


class Broken:
    """A tracker that takes one number and no second one."""

    known_as = "key"
    told: list[tuple[str, object]] = []  # noqa: RUF012

    def __init__(self, folder: Path, name: str, known_as: str, epoch: int) -> None:
        self.told.append(("opened", known_as))

    def settings(self, values: dict[str, object]) -> None:
        self.told.append(("settings", values))

    def numbers(self, values: dict[str, float], epoch: int) -> None:
        raise OSError("the server\nis gone")

    def close(self) -> None:
        self.told.append(("closed", ""))


def test_a_tracker_that_breaks_is_left_out_and_ends_no_training(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HOMES, "wandb", (f"{__name__}:Broken", ()))  # type: ignore[arg-type]
    said: list[str] = []
    settings = api.recipe("vae", None, ["train.epochs=1", "model.widths=[8]", 'watch.trackers=["wandb"]'])
    frames, note = Path(f"folder:{run.parent / 'frames'}"), lambda progress: said.append(progress.message)
    made = api.train(frames, tmp_path / "run", settings, command=PERSON, on_progress=note)
    assert made.finished() and "warning: tracker 'wandb' is told nothing more: the server is gone" in said
    (values,) = [values for what, values in Broken.told if what == "settings"]
    assert values["model.widths"] == "[8]" and PERSON not in str(values)  # type: ignore[index]
    assert json.loads((made.folder / "trackers.json").read_text()) == {"wandb": "key"}


def test_a_tracker_that_is_not_installed_is_one_line_before_anything_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    told = fail("train", "vae", f"folder:{run.parent / 'frames'}", "--out", tmp_path / "run", "--tracker", "mlflow")
    assert "tracker 'mlflow' needs mlflow" in told and "pip install 'medgen[mlflow]'" in told and not (tmp_path / "run").exists()


def test_a_tracker_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"watch\.trackers"):
        api.recipe("vae", None, ['watch.trackers=["comet"]'])


def test_trackers_go_with_trainings_and_not_with_finished_runs(run: Path, tmp_path: Path) -> None:
    assert "--tracker" in fail("compare", run, run, "--out", tmp_path / "page", "--tracker", "none")
    assert "--tracker" in fail("train", "vae", "DATA", "--out", run, "--resume", "--tracker", "none")
