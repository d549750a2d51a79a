"""No name of a patient, a folder above the work or a computer reaches what is handed on; ids lead back with their key alone."""

from __future__ import annotations

import json
import shutil
import socket
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from commands import fail, succeed
from planted_names import ABOVE, NAMES, naming, outputs, plant, run_verbs

from medgen.data.prepared import open_prepared


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, no_comparison_pdf: None, few_draws: None) -> Iterator[Path]:
    """What each verb makes of frames that name patients, below a folder that names a person."""
    root = tmp_path_factory.mktemp("private") / ABOVE
    plant(root)
    with chdir(root):
        run_verbs(root)
        yield root


@pytest.fixture(scope="module")
def named(world: Path) -> dict[str, list[Path]]:
    """The outputs that hold each name; all are read once, as there are many of them."""
    return dict(zip((*NAMES, ABOVE), naming(world, *NAMES, ABOVE), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_no_output_of_any_verb_names_a_patient(name: str, world: Path, named: dict[str, list[Path]]) -> None:
    assert sum(path.is_file() for path in outputs(world)) > 100 and named[name] == []


def test_a_name_is_looked_for_in_the_bytes_of_a_picture_and_not_in_their_spelling(tmp_path: Path) -> None:
    page = tmp_path / "D" / "report.html"
    page.parent.mkdir()
    found = []
    for picture in (b64decode("xxMeierx"), b"tEXt Meier", b"tEXt Meier!"):
        page.write_text(f'<img src="data:image/png;base64,{b64encode(picture).decode()}"> of nobody')
        found.append(naming(tmp_path, "Meier", "of nobody"))
    assert found == [[[], [page]], [[page], [page]], [[page], [page]]]


def test_no_output_names_the_folders_above_it(named: dict[str, list[Path]]) -> None:
    assert named[ABOVE] == []


def test_no_output_is_called_after_the_computer(world: Path) -> None:
    assert any("tfevents" in path.name for path in outputs(world))
    assert [path for path in outputs(world) if f".{socket.gethostname()}." in path.name] == []


def test_frames_of_a_patient_stay_together(world: Path) -> None:
    data = open_prepared(world / "D")
    key = json.loads((world / "K" / "key.json").read_text())["names"]
    patients = data.index["path"].map(lambda path: key[path].rpartition("/")[0])
    assert data.index.groupby(patients)["split"].nunique().max() == 1 and set(data.index["finding"]) == {"normal", "polyp"}


def test_the_key_is_for_its_owner_alone_and_apart(world: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE((world / "K" / "key.json").stat().st_mode) == 0o600
    for where in (world / "D2" / "key.json", world / "key.json"):
        told = fail("prepare", world / "F", "--out", world / "D2", "--size", 32, "--pseudonymise", where)
        assert "would lie with the results" in told and not where.exists()


def test_ids_lead_back_to_names_with_the_key_alone(world: Path, tmp_path: Path) -> None:
    succeed("reveal", world / "S" / "scores.csv", "--key", world / "K" / "key.json", "--out", tmp_path / "names.csv")
    names = pd.read_csv(tmp_path / "names.csv")["path"]
    assert (names.str.contains("Meier") | names.str.contains("K4711")).all()
    (tmp_path / "other.json").write_text(json.dumps({"key": "00" * 32, "names": {}}))
    assert "holds no id of the key" in fail("reveal", world / "S" / "scores.csv", "--key", tmp_path / "other.json")
    assert "is no key" in fail("reveal", world / "S" / "scores.csv", "--key", tmp_path / "names.csv")


def test_the_same_key_gives_the_same_ids_and_another_one_others(world: Path, tmp_path: Path) -> None:
    (tmp_path / "E").mkdir()
    ids = []
    for number, key in enumerate((world / "K" / "key.json", tmp_path / "k" / "new.json")):
        succeed("prepare", world / "F", "--out", tmp_path / "E" / str(number), "--size", 32, "--pseudonymise", key)
        ids.append(set(open_prepared(tmp_path / "E" / str(number)).index["path"]))
    assert ids[0] == set(open_prepared(world / "D").index["path"]) and not ids[0] & ids[1]


def test_the_same_command_again_finds_its_data_set(world: Path) -> None:
    line = ("prepare", world / "F", "--out", world / "D", "--size", 32, "--overlay", "none", "--pseudonymise")
    before = (world / "D" / "index.csv").stat().st_mtime_ns
    succeed(*line, world / "K" / "key.json")
    assert (world / "D" / "index.csv").stat().st_mtime_ns == before


@pytest.mark.usefixtures("blank_charts")
def test_a_run_and_its_data_set_are_found_where_both_have_moved(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "D", tmp_path / "D")
    shutil.copytree(world / "runs" / "R", tmp_path / "runs" / "R")
    succeed("report", tmp_path / "runs" / "R", "--out", tmp_path / "page")
    assert 'dataset = "../../D"' in (tmp_path / "runs" / "R" / "run.toml").read_text()
