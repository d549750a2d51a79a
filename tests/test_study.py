"""The page of a comparison: whole, offline, equal to its numbers, and safe against what names hold."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text
from pages import HOSTILE, Page
from studies import hostile_comparison, make_comparison

from medgen.report.markup import escape_hidden
from medgen.report.study import pdf
from medgen.report.study.comparison import Cost, Entry
from medgen.report.study.page import PLOTTED, embedded, render, write_comparison
from medgen.report.study.summary import study_metrics
from medgen.report.study.tables import words

pytestmark = pytest.mark.usefixtures("few_draws")

FILES = ["metrics.json", "report.html", "report.pdf", "scores.csv", "summary.csv", "summary.tex"]


def outside_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def data(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(make_comparison(), tmp_path_factory.mktemp("study")).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture
def without_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the PDF, which takes as long as all the rest; it has tests of its own."""
    monkeypatch.setattr("medgen.report.study.page.comparison_pdf", lambda metrics: b"%PDF")


def test_everything_is_written(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_page_loads_nothing_from_any_host(page: str) -> None:
    loads = {"src", "srcset", "poster", "data", "action", "background", "xlink:href"}
    for tag, attributes in Page(outside_scripts(page)).tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "audio", "video"}
        assert all((attributes[name] or "").startswith(("data:image/", "#")) for name in loads & attributes.keys())
        assert tag == "a" or "href" not in attributes
    assert not re.search(r"@import|url\((?!#)", outside_scripts(page))


def test_only_the_scripts_of_the_page_may_run(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = {f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts}
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none'") and len(scripts) == 4
    assert set(re.findall(r"'sha256-[^']*'", policy[1].replace("&#39;", "'"))) == hashes
    assert "unsafe-eval" not in policy[1]


def test_cells_of_the_summary_are_those_of_the_metrics_file(page: str, metrics: dict[str, Any]) -> None:
    rows = re.findall(r'<tr><th scope="row" data-sort="([^"]*)">(.*?)</tr>', page, re.DOTALL)
    assert [name for name, _ in rows] == [entry["name"] for entry in metrics["entries"]]
    units = {column["key"]: column["unit"] for column in metrics["measures"]}
    for entry, (_, row) in zip(metrics["entries"], rows, strict=True):
        cells = re.findall(r'data-metric="(\w+)" data-sort="([^"]*)"><data value="([^"]*)">([^<]*)</data>', row)
        assert len(cells) == len(units)
        for key, order, value, text in cells:
            assert float(order) == float(value) == entry["summary"][key]["value"]
            assert text == words(entry["summary"][key]["value"], units[key])


def test_numbers_of_the_figures_are_those_of_the_metrics_file(page: str, metrics: dict[str, Any]) -> None:
    assert data(page, "plots-data")["entries"] == [{key: entry[key] for key in PLOTTED} for entry in metrics["entries"]]


def test_paired_differences_on_the_page_are_those_of_the_metrics_file(page: str, metrics: dict[str, Any]) -> None:
    found = re.findall(r'<td data-sort="([^"]*)">\s*<data value="([^"]*)">', page)
    values = [number for pair in metrics["pairs"] for number in (pair["value"], pair["low"], pair["p_holm"])]
    assert [float(value) for value, _ in found] == values == [float(value) for _, value in found]


def test_score_table_beside_the_page_holds_every_run(folder: Path) -> None:
    table = pd.read_csv(folder / "scores.csv", dtype={"id": str})
    assert len(table) == 4 * 2 * 120 and list(table.columns[:2]) == ["entry", "run"]


def test_what_was_asked_for_stands_on_the_page(page: str) -> None:
    text = " ".join(Page(outside_scripts(page)).text.split())
    wanted = [
        "For research only",
        "stylegan: the budget of 20m ended",
        "cannot be told apart",
        "Critical differences",
        "Shortcut audit",
    ]
    wanted += [
        "Near-duplicates across splits",
        "a.txt",
        "not an image",
        "Promised false alarms",
        "medgen compare STUDY/study.toml",
    ]
    wanted += ["seed = 1", "torch", "polyps", "5 to 20 % of the frame", "What is left of wgan", "does not compare have no best"]
    assert [part for part in wanted if part not in text] == []


def test_every_id_is_unique_and_every_link_has_its_place(page: str) -> None:
    tags = Page(outside_scripts(page)).tags
    ids = Counter(attributes["id"] for _, attributes in tags if "id" in attributes)
    links = [attributes["href"] for _, attributes in tags if "href" in attributes]
    assert max(ids.values()) == 1
    assert all(link and (link[1:] in ids or link.startswith("https://doi.org/")) for link in links)


def test_a_page_of_five_thousand_frames_stays_under_15_megabytes() -> None:
    comparison = make_comparison(2500, 2500, {f"backend-{place}": float(place) for place in range(3)}, seeds=1, side=96)
    text = render(comparison, study_metrics(comparison))
    assert len(text.encode()) < 15e6 and "5000 of 5000 frames are listed" in text
    assert len(data(text, "frames-data")["path"]) == 5000 and len(data(text, "pictures-data")) > 50


def test_hostile_names_are_text_and_no_tag(tmp_path: Path, without_pdf: None) -> None:
    page = write_comparison(hostile_comparison(), tmp_path).read_text(encoding="utf-8")
    made = Page(outside_scripts(page))
    assert not {"img", "script"} & {tag for tag, _ in made.tags}
    assert not any(key.startswith("on") for _, attributes in made.tags for key in attributes)
    assert not set(re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)) & {"\u202e", "\udcff"}
    assert made.text.count(escape_hidden("".join(HOSTILE))) > 30
    assert page.count("<script") == page.count("</script>") == 7
    found = data(page, "frames-data")
    assert found["path"][0].startswith(escape_hidden("".join(HOSTILE)))


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028", "&lt;"])
def test_embedded_json_cannot_end_its_element_and_keeps_its_text(text: str) -> None:
    made = embedded({"name": text})
    assert not set("<>&\u2028") & set(made) and json.loads(made) == {"name": text}


def test_a_comparison_with_nothing_but_scores_is_shown_with_reasons(tmp_path: Path) -> None:
    made = make_comparison(skills={"gan": 1.0}, seeds=1)
    run = made.entries[0].runs[0]
    bare = run.scores[["id", "path", "label", "finding", "score"]].assign(label="", finding="")
    empty = replace(run, scores=bare, metrics={}, settings={}, provenance={}, warnings=[])
    entry = Entry("gan", [empty], [Cost(None, None, None, None)], made.entries[0].frame_views)
    nothing: dict[str, Any] = {"audit": {}, "failures": (), "duplicates": pd.DataFrame(), "rejected": pd.DataFrame()}
    bald = replace(made, entries=[entry], commands=(), study={}, **nothing)
    text = " ".join(Page(outside_scripts(write_comparison(bald, tmp_path).read_text())).text.split())
    reasons = ["No ROC or precision-recall curves", "No critical-difference diagram: one backend", "it takes two backends"]
    reasons += ["No file was rejected", "The command was not recorded", "Not measured for any of these: AUROC"]
    assert [reason for reason in reasons if reason not in text] == []


@pytest.fixture(scope="module")
def pdf_pages(metrics: dict[str, Any]) -> list[str]:
    """All texts of each page of the PDF."""
    return ["\n".join(text.get_text() for text in figure.findobj(Text)) for figure in pdf._pages(metrics)]


def test_the_pdf_says_the_numbers_of_the_summary(metrics: dict[str, Any], pdf_pages: list[str]) -> None:
    text = "\n".join(pdf_pages)
    units = {column["key"]: column["unit"] for column in metrics["measures"]}
    cells = [words(entry["summary"][key]["value"], unit) for entry in metrics["entries"] for key, unit in units.items()]
    assert [cell for cell in cells if cell not in text] == []


def test_the_pdf_says_of_no_two_that_are_like_the_leader_that_they_are_alike() -> None:
    verdicts = {"auroc": {"best": None, "leader": "a", "alike": ["b", "c"]}}  # b and c may differ
    metrics: Any = {"verdicts": verdicts, "measures": [{"key": "auroc", "title": "AUROC"}]}
    assert pdf._verdict(metrics, "auroc") == "AUROC: a has the highest value, but b, c cannot be told apart from it."


def test_the_pdf_says_on_top_and_on_every_page_what_it_is_not_for(pdf_pages: list[str]) -> None:
    assert any(pdf.RESEARCH in text for text in pdf_pages)


def test_equal_metrics_give_an_equal_comparison_pdf(metrics: dict[str, Any], folder: Path, pdf_pages: list[str]) -> None:
    made = (folder / "report.pdf").read_bytes()
    assert made == pdf.comparison_pdf(metrics) and made.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", made)) == len(pdf_pages)


def test_the_same_comparison_gives_the_same_page(folder: Path, tmp_path: Path, without_pdf: None) -> None:
    write_comparison(make_comparison(), tmp_path)
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in FILES if name != "report.pdf")
