"""The page: whole, offline, honest about what is missing, and safe against what file names hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pages import HOSTILE, Page
from run_results import make_panels, make_results, report_page
from sklearn.metrics import roc_auc_score

from medgen.errors import MedgenError, RunError
from medgen.files import json_values
from medgen.report.markup import brief, escape_hidden
from medgen.report.page import write_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([make_results()], tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_page_loads_nothing_from_any_host(page: str) -> None:
    loads = {"src", "srcset", "poster", "data", "action", "background", "xlink:href"}
    for tag, attributes in Page(page).tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "audio", "video"}
        assert all((attributes[name] or "").startswith(("data:image/png;base64,", "#")) for name in loads & attributes.keys())
        assert tag == "a" or "href" not in attributes
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_parts_come_in_the_order_of_the_argument(page: str) -> None:
    order = ["never be used for diagnosis", "The black box", "trained on what", "AUROC", "threshold?", "error map point", "PSNR"]
    order += ["Scores, ROC", "Losses per epoch", "Frames, reconstructions", "Samples", "Findings", "Most anomalous", "Rejected"]
    places = [Page(page).text.index(part) for part in [*order, "Settings", "Versions"]]
    assert places == sorted(places)


def test_numbers_on_the_page_are_those_of_the_metrics_file(folder: Path, page: str) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    cells = re.findall(r'data-metric="([^"]*?)">\s*<data value="([^"]*)">([^<]*)</data>', page)
    assert len(cells) == 4 + 1 + 8 + 4 + 8
    for place, value, text in cells:
        found: Any = metrics
        for key in re.split(r"\.(?!\d)", place):
            found = found[key]
        while isinstance(found, dict):
            found = found.get("value", found.get("mean", found.get("auroc")))
        assert (float(value), text) == (found, f"{found:.3f}")


def test_auroc_on_the_page_is_that_of_scikit_learn(page: str) -> None:
    scores = make_results().scores
    value = roc_auc_score(scores["label"] == "abnormal", scores["score"])
    assert re.search(rf'"detection.auroc">\s*<data value="[^"]*">{value:.3f}<', page)


def test_intervals_stand_beside_their_values(folder: Path, page: str) -> None:
    auroc = json.loads((folder / "metrics.json").read_text())["detection"]["auroc"]
    assert any(
        f"{auroc['value']:.3f}{auroc['low']:.3f} to {auroc['high']:.3f}" in "".join(row.split("\n")) for row in Page(page).rows
    )


def test_score_table_beside_the_page_holds_every_frame(folder: Path) -> None:
    pd.testing.assert_frame_equal(pd.read_csv(folder / "scores.csv", dtype={"id": str}), make_results().scores, check_dtype=False)


def test_every_picture_has_a_text_and_every_id_is_unique(page: str) -> None:
    tags = Page(page).tags
    ids = Counter(attributes["id"] for _, attributes in tags if "id" in attributes)
    assert max(ids.values()) == 1
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert sum(attributes.get("role") == "img" for _, attributes in tags) == 3


def test_charts_take_the_colours_of_the_theme(page: str) -> None:
    charts = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"(fill|stroke): #", charts)
    assert set(re.findall(r"var\((--\w+)\)", charts)) <= set(re.findall(r"(--\w+):", page))


def test_hostile_names_change_text_and_no_tag(page: str, tmp_path: Path) -> None:
    run, name = make_results(), "".join(HOSTILE)
    metrics = run.metrics | {"findings": [entry | {"finding": name} for entry in run.metrics["findings"]]}
    hostile = make_results(
        name=name,
        scores=run.scores.assign(path=name + run.scores["path"], finding=name, group=name),
        metrics=metrics | {"components": {name: run.metrics["components"]["structure"]}},
        history=run.history.rename(columns={"val.kl": f"val.{name}", "train.kl": f"train.{name}"}),
        panels=[replace(panel, path=name, finding=name) for panel in run.panels],
        rejected=run.rejected.assign(file=name, reason=name),
        warnings=[name],
        dataset=dict(run.dataset) | {"source": name},
        settings={"backend": name, "model": {name: 6, "weight": None}, "train": run.settings["train"]},
        provenance=dict(run.provenance) | {"command": name},
    )
    made, harmless = Page(report_page([hostile], tmp_path)), Page(page)
    in_charts = {"g", "path", "use", "text", "defs"}
    counts = [Counter(tag for tag, _ in one.tags if tag not in in_charts) for one in (made, harmless)]
    attributes = [{key for _, pairs in one.tags for key in pairs} for one in (made, harmless)]
    assert counts[0] == counts[1]
    assert attributes[0] == attributes[1]
    assert made.text.count(escape_hidden(name)) >= 2 * 20 + 2 * 6 + 2 * 3 + 3 + 5
    assert not set(made.text) & {"\u202e", "\udcff"}
    assert len(pd.read_csv(tmp_path / "scores.csv")) == len(run.scores)


def test_bidirectional_and_control_characters_become_visible() -> None:
    assert escape_hidden("a\u202eb\nc\udcff\x00") == r"a\u202eb\nc\udcff\x00"


def test_numbers_of_any_size_keep_four_digits() -> None:
    sizes = [0.00001234567, 0.01234567, 1.0, 12345.678, 1.5e9]
    assert [re.sub("<.*?>", "", brief(value)) for value in sizes] == ["1.235e-05", "0.01235", "1.000", "12346", "1.500e+09"]


def test_values_that_json_lacks_become_null() -> None:
    assert json_values({"a": np.float32("nan"), "b": [np.int64(2), float("inf")], "c": None}) == {
        "a": None,
        "b": [2, None],
        "c": None,
    }


@pytest.mark.parametrize("missing", ["normal", "abnormal"])
def test_one_class_alone_is_reported_with_the_reason(missing: str, tmp_path: Path) -> None:
    text = " ".join(Page(report_page([make_results(**{f"{missing}s": 0})], tmp_path)).text.split())
    assert f"No AUROC, average precision or sensitivity: no {missing} frames" in text
    assert f"No ROC curve: no {missing} frames" in text


def test_a_run_with_nothing_but_scores_is_reported_with_reasons(tmp_path: Path) -> None:
    run = make_results()
    bare = run.scores[["id", "path", "finding", "score"]].assign(label="", finding=None)
    nothing: dict[str, Any] = {"panels": [], "samples": None, "settings": {}, "provenance": {}, "warnings": [], "dataset": {}}
    nothing |= {"scores": bare, "history": pd.DataFrame(), "rejected": pd.DataFrame(), "metrics": {}}
    text = " ".join(Page(report_page([make_results(**nothing)], tmp_path)).text.split())
    reasons = ["no frame has a label", "No threshold", "no scored frame has a truth mask", "does not reconstruct"]
    reasons += ["No frames are shown", "no training history", "does not generate", "No table of findings"]
    reasons += ["No file was rejected", "was not recorded"]
    assert [reason for reason in reasons if reason not in text] == []


def test_a_run_without_frames_is_reported(tmp_path: Path) -> None:
    text = Page(report_page([make_results(scores=make_results().scores.head(0), metrics={}, panels=[])], tmp_path)).text
    assert "No frame was scored." in text
    assert "No histogram" in text


def test_a_backend_that_neither_reconstructs_nor_localises_shows_its_frames(tmp_path: Path) -> None:
    panels = [replace(panel, reconstruction=None, error=None, mask=None, flagged=None) for panel in make_panels(24)]
    made = Page(report_page([make_results(panels=panels, samples=None)], tmp_path))
    assert sum(tag == "img" for tag, _ in made.tags) == 6
    assert "colour scale" not in made.text


def test_ten_thousand_frames_fill_no_more_of_the_page(page: str, tmp_path: Path) -> None:
    many = report_page([make_results(normals=6000, abnormals=4000)], tmp_path)
    assert len(Page(many).rows) == len(Page(page).rows)
    assert len(many) < 1.2 * len(page)


def test_decisions_follow_the_threshold_where_the_scores_carry_none(page: str, tmp_path: Path) -> None:
    run = make_results()
    assert Page(report_page([replace(run, scores=run.scores.drop(columns="abnormal"))], tmp_path)).rows == Page(page).rows


@pytest.mark.usefixtures("blank_charts")
def test_several_runs_are_compared_and_kept_apart(tmp_path: Path) -> None:
    text = report_page([make_results(), make_results(), make_results(name="wae", warnings=[])], tmp_path)
    names = ["endovae-hyperkvasir", "endovae-hyperkvasir (2)", "wae"]
    assert list(json.loads((tmp_path / "metrics.json").read_text())) == names
    assert list(pd.read_csv(tmp_path / "scores.csv")["run"].unique()) == names
    assert text.index(">Summary<") < text.index('id="run-1"') < text.index('id="run-2"') < text.index('id="run-3"')
    assert "not scored on the same frames" not in text
    assert text.count("The black box") == 1
    assert max(Counter(re.findall(r' id="([^"]*)"', text)).values()) == 1


@pytest.mark.usefixtures("blank_charts")
def test_runs_on_different_frames_are_not_compared_silently(tmp_path: Path) -> None:
    assert "not scored on the same frames" in report_page([make_results(), make_results(abnormals=30)], tmp_path)


@pytest.mark.usefixtures("blank_charts")
def test_a_failed_write_keeps_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.html").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(MedgenError, match="No space left on device"):
        write_report([make_results()], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_of_no_run_or_with_half_a_score_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run to report"):
        write_report([], tmp_path)
    with pytest.raises(RunError, match="lack score"):
        make_results(scores=make_results().scores.drop(columns="score"))
