"""Every measure of the table is computed, shown on the page and in the terminal, and is a column where it says that it is one."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from medgen_cli.tables import metrics_table
from run_results import make_results
from studies import make_comparison

import medgen.report.study
from medgen.metrics.detection import auroc
from medgen.report import measures
from medgen.report.evaluate import evaluate
from medgen.report.measures import MEASURES, Measure, measured_values, measures_of
from medgen.report.page import write_report
from medgen.report.run_report_data import RunResults
from medgen.report.study.page import write_comparison
from medgen.report.study.summary import study_metrics
from medgen.report.study.tables import summary_csv, summary_tex

pytestmark = pytest.mark.usefixtures("blank_charts")

SCHEMA = Path(medgen.report.study.__file__).parent / "metrics.schema.json"
ON_PAGE = {"decisions": "threshold.decisions"}  # where a section stands in ``metrics.json``, if not under its own name
THRESHOLD: Any = {"value": 0.0098765, "false_alarm_rate": 0.05, "normals": 93, "pixel_level": 0.001}


def full_results() -> RunResults:
    """A run that has every measure: with classifiers, maps that are cut, samples, and styles."""
    run = make_results()
    scores = run.scores.assign(class_net=run.scores["finding"])
    maps = tuple(np.stack([getattr(panel, name) for panel in run.panels[3:]]) for name in ("error", "mask", "valid"))
    metrics = evaluate(scores, [maps], THRESHOLD, n_bootstrap=20)
    samples = {"kid": 0.1, "kid_std": 0.01, "precision": 0.5, "recall": 0.4, "density": 0.9, "coverage": 0.6, "warning": ""}
    counts = {"n_real": 100, "n_generated": 100, "split": "test"}
    metrics["distribution"] = {
        "measured": [
            {"extractor": "one", "fid": 40.0, **samples, **counts},
            {"extractor": "other", "fd": 4.0, **samples, **counts},
        ],
        "reason": "",
    }
    metrics["path_length"] = {"value": 2.5, "pairs": 100, "extractor": "one", "epsilon": 1e-4}
    return make_results(scores=scores, metrics=metrics)


def shown_on(page: str) -> set[str]:
    return set(re.findall(r'data-metric="([^"]*)"', page))


def of_a_run() -> list[Measure]:
    return [measure for measure in MEASURES if measure.section != "cost"]


@pytest.fixture(scope="module")
def full() -> RunResults:
    return full_results()


@pytest.fixture(scope="module")
def folder(full: RunResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([full], tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def comparison(no_comparison_pdf: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(make_comparison(30, 30, seeds=1), tmp_path_factory.mktemp("study")).parent


def name_of(measure: Measure) -> str:
    return f"{measure.section}.{measure.key}"


@pytest.mark.parametrize("measure", of_a_run(), ids=name_of)
def test_each_measure_of_a_run_has_a_value(full: RunResults, measure: Measure) -> None:
    values = [found for found in measured_values(full.metrics) if found.measure is measure]
    assert values and all(found.value is not None for found in values)


@pytest.mark.parametrize("measure", of_a_run(), ids=name_of)
def test_each_measure_of_a_run_is_on_the_page(folder: Path, measure: Measure) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    place = ON_PAGE.get(measure.section, measure.section)
    assert any(path.startswith(place) and path.endswith(f".{measure.key}") for path in shown_on(page))
    assert measure.title in page


@pytest.mark.parametrize("measure", of_a_run(), ids=name_of)
def test_each_measure_of_a_run_is_in_the_terminal(folder: Path, measure: Measure) -> None:
    assert any(line.startswith(measure.title) for line in metrics_table(folder / "metrics.json").splitlines())


@pytest.mark.parametrize("measure", [measure for measure in MEASURES if measure.column], ids=name_of)
def test_each_compared_measure_is_a_column_of_page_csv_and_latex(comparison: Path, measure: Measure) -> None:
    page = (comparison / "report.html").read_text(encoding="utf-8")
    title = next(
        c["title"] for c in json.loads((comparison / "metrics.json").read_text())["measures"] if c["key"] == measure.column
    )
    assert measure.column in shown_on(page)
    assert measure.column in pd.read_csv(comparison / "summary.csv")
    assert title.replace("%", r"\%") in (comparison / "summary.tex").read_text()


def test_each_measure_is_shown_somewhere() -> None:
    assert all(measure.section != "cost" or measure.column for measure in MEASURES)


def test_no_number_of_score_maps_and_decisions_lacks_in_the_table(full: RunResults) -> None:
    metrics = full.metrics
    assert set(metrics["pixel"]) - {"frames", "error_bound"} == {measure.key for measure in measures_of("pixel")}
    assert set(metrics["threshold"]["decisions"]) == {measure.key for measure in measures_of("decisions")}


def test_keys_are_unique_in_their_section() -> None:
    names = [name_of(measure) for measure in MEASURES]
    assert len(set(names)) == len(names)


def test_the_schema_knows_every_unit_of_the_table() -> None:
    columns = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["comparison"]["properties"]["measures"]["items"][
        "properties"
    ]
    assert {measure.unit for measure in MEASURES} <= set(columns["unit"]["enum"])
    assert {measure.better for measure in MEASURES} == set(columns["better"]["enum"])


def test_one_new_entry_is_computed_shown_compared_and_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = Measure("gini", "detection", "Gini index", "ratio", "higher", "twice the AUROC minus one", _gini, column="gini")
    monkeypatch.setattr(measures, "MEASURES", (*MEASURES, new))
    monkeypatch.setattr("medgen.report.study.columns.MEASURES", (*MEASURES, new))
    run = full_results()
    assert run.metrics["detection"]["gini"]["value"] == pytest.approx(2 * (run.metrics["detection"]["auroc"]["value"] or 0) - 1)
    page = write_report([run], tmp_path).read_text(encoding="utf-8")
    assert "detection.gini" in shown_on(page) and "Gini index" in metrics_table(tmp_path / "metrics.json")
    made = study_metrics(make_comparison(20, 20, {"good": 2.0, "poor": 0.5}, seeds=2), n_bootstrap=50)
    assert [pair["measure"] for pair in made["pairs"]].count("gini") == 1 and "gini" in made["verdicts"]
    assert made["entries"][0]["summary"]["gini"]["low"] < made["entries"][0]["summary"]["gini"]["high"]
    assert "gini" in pd.read_csv(io.StringIO(summary_csv(made))) and "Gini index" in summary_tex(made)
    schema = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert not list(schema.iter_errors(json.loads(json.dumps(made))))


def _gini(labels: Any, scores: Any, weights: Any = None) -> Any:
    return 2 * auroc(labels, scores, weights) - 1
