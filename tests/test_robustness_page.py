"""The table of reports/robustness says what the JSON files beside it say."""

from __future__ import annotations

from pathlib import Path

from soak.page import PAGE, filled, table

from medgen.files import write_json


def test_the_table_is_that_of_the_files_beside_it() -> None:
    text = (PAGE / "README.md").read_text(encoding="utf-8")
    assert filled(text, PAGE) == text


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    write_json(tmp_path / "kills.json", {"train": {"tried": 9, "survived": 8}, "score": {"tried": 3, "survived": 3}})
    shown = table(tmp_path).splitlines()
    assert shown[2:4] == [
        "| killed: `train` goes on | 8 of 9 kills survived | **no** |",
        "| killed: `score` goes on | 3 of 3 kills survived | yes |",
    ]


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    assert "| ceilings | not run | not known |" in table(tmp_path)


def test_a_service_that_refuses_for_another_reason_than_a_full_queue_has_not_held(tmp_path: Path) -> None:
    facts = {"clients": 4, "per_second": 3.5, "p95_ms": 801.2, "p50_ms": 400.0}
    load = {"held": {**facts, "others": {"503": 7}}, "broke": {**facts, "others": {"500": 1}}}
    found = {"load": load, "peak_mb": 500, "ceiling_mb": 800, "unexpected": {"cases": 90, "failures": 2}}
    write_json(tmp_path / "service.json", found)
    rows = [line for line in table(tmp_path).splitlines() if "| service" in line]
    assert [row.rpartition("| ")[2] for row in rows] == ["yes |", "**no** |", "yes |", "**no** |"]
    assert "4 clients: 3.5 a second, p95 801 ms, median 400 ms; 7 told to come again" in rows[0]


def test_an_export_has_not_held_where_it_is_refused_for_another_reason_than_its_calibration(tmp_path: Path) -> None:
    graph = {
        "score": 1e-7,
        "map": None,
        "auroc": {"run": 0.8, "graph": 0.8},
        "beyond_tolerance": [],
        "seconds": 4.2,
        "megabytes": 1.5,
    }
    refused = {"refused": "no word"}
    found = {"vae": {"onnx": graph, "openvino": refused}, "dfm, cv+": {"onnx": refused, "openvino": refused}}
    write_json(tmp_path / "exports.json", found)
    assert [line for line in table(tmp_path).splitlines() if "| export" in line] == [
        "| export: `vae` as onnx | score 1e-07; AUROC 0.800 and 0.800; 4 s, 1.5 MB | yes |",
        "| export: `vae` as openvino | refused: no word | **no** |",
        "| export: `dfm, cv+` | refused in every format, with the reason | yes |",
    ]
