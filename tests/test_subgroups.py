"""Groups of frames in a report: folders, sizes of findings and columns of the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import fail, succeed
from PIL import Image
from writers import save

from medgen import api
from medgen.data.layouts.manifest import read_column
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.errors import DataError
from medgen.report.groups import by_group
from medgen.verbs.subgroups import subgroups

DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of two hospitals with masks on half of the polyps, prepared."""
    root = tmp_path_factory.mktemp("study")
    lines = ["file,finding,label,split,group,mask,Hospital"]
    for folder, split, count in (("one", "train", 12), ("two", "val", 4), ("one", "test", 6), ("two", "test", 6)):
        for k in range(count):
            finding, label = ("polyp", "abnormal") if split == "test" and k % 2 else ("normal", "normal")
            name, mask = f"{folder}/{split} #{k}.png", ""  # a number sign numbers no frame here
            (root / name).parent.mkdir(exist_ok=True)
            save(root / name, DRAW.integers(60, 200, (40, 40, 3), dtype=np.uint8))
            if finding == "polyp" and k < 4:
                mask = f"masks/{folder}{k}.png"
                truth = np.zeros((40, 40), np.uint8)
                truth[: 10 * k, :20] = 255
                (root / mask).parent.mkdir(exist_ok=True)
                save(root / mask, truth)
            lines.append(f"{name},{finding},{label},{split},,{mask},{'North' if folder == 'one' else 'South'}")
    (root / "manifest.csv").write_text("\n".join(lines))
    succeed("prepare", root, "--out", root / "data", "--size", "32")
    return root


def test_a_column_is_read_by_file_whatever_its_name(study: Path) -> None:
    values = read_column(study / "manifest.csv", "hospital")
    assert values["one/train #0.png"] == "North" and values["two/test #5.png"] == "South"


def test_a_column_may_be_of_one_frame_of_a_file(tmp_path: Path) -> None:
    first, second = (Image.fromarray(DRAW.integers(60, 200, (40, 40, 3), dtype=np.uint8)) for _ in range(2))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=[second])
    (tmp_path / "manifest.csv").write_text("file,finding,hospital\nstack.tif#0,normal,North\nstack.tif#1,polyp,South\n")
    data = api.prepare(tmp_path, tmp_path / "data", PrepareSettings(size=32))
    assert subgroups(data, data.rows(), ["hospital"])["hospital"] == ["North", "South"]


def test_a_misspelt_column_leads_to_the_right_one(study: Path) -> None:
    with pytest.raises(DataError, match="no column 'hospitl'; did you mean 'hospital'"):
        read_column(study / "manifest.csv", "hospitl")


def test_frames_are_grouped_by_folder_by_size_and_by_column(study: Path) -> None:
    data = open_prepared(study / "data")
    rows = data.rows("test")
    found = subgroups(data, rows, ["Hospital"])
    assert {*found["folder"]} == {"one", "two"} and [*found["Hospital"]].count("North") == 6
    sizes = [size for size in found["size of the finding"] if size]
    assert len(sizes) == 4 and {*sizes} == {"5 to 20 % of the frame", "20 to 100 % of the frame"}


def test_groups_come_in_the_order_of_the_numbers_in_their_names() -> None:
    names = ["ward 10", "ward 2", "20 to 100 % of the frame", "5 to 20 % of the frame"]
    frames = pd.DataFrame({"label": "normal", "group": list("abcd"), "score": [0.1, 0.2, 0.3, 0.4]})
    assert [group["name"] for group in by_group(frames, names, 10)] == [*names[3:1:-1], *names[1::-1]]


def test_folders_that_are_the_findings_are_no_grouping_of_their_own(study: Path) -> None:
    data = open_prepared(study / "data")
    rows = data.rows("train")
    assert "folder" not in subgroups(data, rows)


@pytest.mark.usefixtures("blank_charts")
def test_a_report_measures_by_a_column(study: Path) -> None:
    settings = ["--epochs", "1", "--set", "model.widths=[8]", "--set", "data.batch_size=4"]
    succeed("train", "vae", study / "data", "--out", study / "run", *settings)
    succeed("report", study / "run", "--out", study / "page", "--by", "hospital")
    metrics = json.loads((study / "page" / "metrics.json").read_text())
    groups = metrics["groups"]["hospital"]
    assert [(entry["name"], entry["normal"], entry["abnormal"]) for entry in groups] == [("North", 3, 3), ("South", 3, 3)]
    assert "Detection by hospital" in (study / "page" / "report.html").read_text()


def test_frames_without_a_manifest_have_no_columns(study: Path, tmp_path: Path) -> None:
    refused = fail("report", study / "run", "--out", tmp_path, "--by", "sex")
    assert "no column 'sex'; known: " in refused
