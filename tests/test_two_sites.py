"""A set that is divided into two sites, each of which `medgen prepare` takes."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.two_sites import main
from sources import frame
from writers import save

from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.data.preparing.prepare import prepare

ROWS = [  # file, finding, label, split, group, mask
    ("normal-cecum/0.png", "normal-cecum", "normal", "train", "", ""),
    ("normal-cecum/1.png", "normal-cecum", "normal", "val", "", ""),
    ("bbps-2-3/0.png", "bbps-2-3", "normal", "train", "", ""),
    ("polyps/0.png", "polyps", "abnormal", "test", "a", "masks/0.png"),
    ("polyps/1.png", "polyps", "abnormal", "test", "b", "masks/0.png"),
    ("polyps/2.png", "polyps", "abnormal", "test", "a", "masks/0.png"),
]


def test_each_site_is_prepared_from_its_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    for number, name in enumerate({name for row in ROWS for name in (row[0], row[-1]) if name}):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        save(source / name, frame(40, seed=number))
    with (source / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "finding", "label", "split", "group", "mask"), *ROWS])
    main(source, tmp_path / "sites")
    for site in "AB":
        prepare(tmp_path / "sites" / f"{site}.csv", tmp_path / site, PrepareSettings(size=32))
    named = {site: set(open_prepared(tmp_path / site).index["path"].str.removeprefix("frames/")) for site in "AB"}
    assert named["A"] == {"normal-cecum/0.png", "normal-cecum/1.png", "polyps/1.png"}
    assert named["B"] == {"bbps-2-3/0.png", "polyps/0.png", "polyps/2.png"}  # the group that is not divided
    assert capsys.readouterr().out.count("frames\n") == 6


def test_no_group_is_both_among_the_forty_and_among_the_others(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    rows = [(f"bbps-2-3/{number}.png", "bbps-2-3", "normal", "train", f"n-{number // 2}", "") for number in range(200)]
    with (tmp_path / "source" / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "finding", "label", "split", "group", "mask"), *rows, *ROWS[-3:]])
    main(tmp_path / "source", tmp_path / "sites")
    forty, others = (pd.read_csv(tmp_path / "sites" / f"B-{part}.csv") for part in ("forty", "others"))
    assert (len(forty), forty["group"].nunique(), set(forty["label"])) == (40, 40, {"normal"})
    assert len(others) == 200 - 2 * 40 + 1  # the groups of the forty are out; one of polyps is in
    assert not set(forty["group"]) & set(others["group"])
