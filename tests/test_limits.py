"""What comes from a file can neither lead out of a folder, nor run in a spreadsheet, nor ask for more than a machine has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from commands import fail
from hypothesis import given
from hypothesis import strategies as st
from writers import save

from medgen import api, registry
from medgen.config import MOST
from medgen.data.prepared import PrepareSettings, read_table
from medgen.data.sources import list_source
from medgen.errors import ConfigError, DataError
from medgen.files import disk_name, write_csv
from medgen.runs.settings import RunSettings

PARTS = st.one_of(st.sampled_from(["..", ".", "", "a", "a.jpg", "\r", "~"]), st.text(max_size=5))
FORMULAS = ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx", "\r=1", "'=kept", "''=kept"]


@given(st.lists(PARTS, min_size=1, max_size=5).map("/".join))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    path = os.path.normpath(f"/out/{disk_name(name)}")
    assert path.startswith("/out/") and path.isprintable()


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join), st.lists(PARTS, min_size=1, max_size=4).map("/".join))
def test_names_stay_apart(one: str, other: str) -> None:
    assert (disk_name(one) == disk_name(other)) == ([*filter(None, one.split("/"))] == [*filter(None, other.split("/"))])


@pytest.mark.parametrize("name", ["polyp/ä b (1)#3.jpg", "vol.nii.gz#12", "..a/b..", "a:b.png"])
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert disk_name(name) == name


def test_the_longest_name_that_a_disk_holds_can_be_written_with_more_behind_it(tmp_path: Path) -> None:
    name = "ä" * 125 + ".jpg"
    (tmp_path / name).touch()
    (tmp_path / f".{disk_name(name)}.png.12345678.part").touch()


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_sees_text_and_medgen_what_was_written(text: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"path": [text, "plain"], "score": [-1.0, 2.0]}))
    cell = pd.read_csv(tmp_path / "t.csv", dtype=str)["path"][0]
    assert cell[0] == "'"
    found = read_table(tmp_path / "t.csv")
    assert found["path"].tolist() == [text, "plain"] and found["score"].tolist() == [-1.0, 2.0]


def test_the_name_of_a_column_is_no_formula_either(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"=1+1": [2]}))
    assert (tmp_path / "t.csv").read_text() == "'=1+1\n2\n"


def test_a_link_in_a_manifests_folder_does_not_lead_out_of_it(tmp_path: Path) -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    for folder in ("inside", "outside"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "a.png", frame)
    (tmp_path / "inside" / "file.png").symlink_to(tmp_path / "outside" / "a.png")
    (tmp_path / "inside" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "own.png").symlink_to(tmp_path / "inside" / "a.png")
    for name in ("file.png", "folder/a.png", "file.png#0", "folder/b.png"):
        (tmp_path / "inside" / "manifest.csv").write_text(f"file\n{name}\n")
        with pytest.raises(DataError, match=r"line 2: '.*' is behind a link that leads out of the folder of the manifest"):
            api.inspect(tmp_path / "inside")
    (tmp_path / "inside" / "manifest.csv").write_text("file\nown.png\na.png\n")
    assert [entry.file for entry in list_source(tmp_path / "inside").entries] == ["a.png", "own.png"]


HUGE = [
    *("model.latents=1000000000", "model.draws=1000000000", "train.seed=9223372036854775808", "data.batch_size=1000000000"),
    *("train.epochs=1000000001", "model.optimizer.lr=inf", "train.clip=nan", "data.epoch_frames=10000000000"),
]
HUGE_OPTIONS = ["sample R --out O -n 1000000000", f"sample R --out O --seed {2**63}", f"fid R --n {10**9}"]


@pytest.mark.parametrize("assignment", HUGE)
def test_a_number_that_would_fill_the_memory_or_never_end_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"should be less than|expected at most 65,536|should be a finite number"):
        api.recipe("endovae", None, [assignment])


@pytest.mark.parametrize("line", HUGE_OPTIONS)
def test_so_is_one_of_the_command(line: str) -> None:
    assert "is not in the range" in fail(*line.split())


@pytest.mark.parametrize("backend", registry.names())
def test_layers_of_every_backend_have_a_limit(backend: str) -> None:
    fields = type(registry.parse(backend, {})).model_fields
    sizes = [name for name, field in fields.items() if field.annotation is int or int in get_args(field.annotation)]
    for name in set(sizes) - {"seed"}:
        value = "[1000000000]" if get_args(fields[name].annotation) else "1000000000"
        with pytest.raises(ConfigError):
            api.recipe(backend, None, [f"model.{name}={value}"])


def test_settings_that_stand_alone_are_bounded_too() -> None:
    with pytest.raises(ConfigError, match="less than 9223372036854775808"):
        PrepareSettings.parse({"seed": 2**63})
    with pytest.raises(ConfigError, match="batch_size"):
        RunSettings.parse({"backend": "vae", "data": {"batch_size": MOST + 1}})
