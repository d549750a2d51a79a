"""The summary as words, as CSV and as TeX."""

from __future__ import annotations

import io
import re
from typing import Any

import pandas as pd
import pytest
from pages import HOSTILE
from studies import make_comparison

from medgen.report.study.summary import study_metrics
from medgen.report.study.tables import between, summary_csv, summary_tex, tex, words


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    return study_metrics(make_comparison(skills={"good_one": 3.0, "poor & cheap": 0.5}, title="50 % of frames"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.12345, "ratio", "0.123"),
        (21.987, "dB", "21.99"),
        (512, "count", "512"),
        (54_419_459, "count", "54.4 M"),
        (42.04, "seconds", "42 s"),
        (95, "seconds", "1.6 min"),
        (4985, "seconds", "1 h 23 min"),
        (3 * 2**29, "bytes", "1.50 GiB"),
        (1234.5, "rate", "1234"),
        (999.7, "rate", "1000"),
        (99.96, "rate", "100"),
        (999_800, "count", "1000 k"),
        (None, "ratio", "\u2013"),
    ],
)
def test_measures_are_said_in_their_unit(value: float | None, unit: str, text: str) -> None:
    assert words(value, unit) == text


def test_equal_ends_are_said_once() -> None:
    assert between({"low": 0.5, "high": 0.50001}, "ratio") == "0.500"


def test_an_unknown_interval_is_nothing() -> None:
    assert between({"low": None, "high": None}, "ratio") == ""


def test_csv_holds_the_summary_in_full_precision(metrics: dict[str, Any]) -> None:
    table = pd.read_csv(io.StringIO(summary_csv(metrics)))
    for entry, (_, row) in zip(metrics["entries"], table.iterrows(), strict=True):
        assert row["name"] == entry["name"]
        assert row["auroc"] == entry["summary"]["auroc"]["value"]
        assert row["psnr_seed_std"] == entry["summary"]["psnr"]["seeds"]["std"]


def test_csv_names_what_an_entry_is_best_in(metrics: dict[str, Any]) -> None:
    assert "auroc" in pd.read_csv(io.StringIO(summary_csv(metrics)))["best_in"][0].split()


def test_tex_has_a_cell_for_each_column_in_each_row(metrics: dict[str, Any]) -> None:
    lines = [line for line in summary_tex(metrics).splitlines() if line.endswith(r"\\")]
    columns = re.search(r"\\begin{tabular}{(\w+)}", summary_tex(metrics))
    assert columns and len(lines) == 1 + 2 * 2
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(columns[1])}


def test_tex_is_bold_where_the_test_says_best(metrics: dict[str, Any]) -> None:
    row = next(line for line in summary_tex(metrics).splitlines() if line.startswith(r"good\_one"))
    assert rf"\textbf{{{metrics['entries'][0]['summary']['auroc']['value']:.3f}}}" in row


@pytest.mark.parametrize("name", [*HOSTILE, r"\input{x} #1 ~ ^ _ % $ & { } | ` '"])
def test_no_name_is_a_command_to_tex(name: str) -> None:
    names = "backslash asciitilde asciicircum less greater bar quotedbl quotesingle asciigrave".replace(" ", "|")
    known = rf"\\text({names}){{}}"
    rest = re.sub(r"\\[&%$#_{}]", "", re.sub(known, "", tex(name, 300)))
    assert not set(rest) & set("\\&%$#_{}~^<>|\"'`") and rest.isascii() and "\n" not in rest
