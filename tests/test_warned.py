"""Warnings of several runs: each kind once, whatever numbers it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from studies import make_comparison

from medgen.report.study.page import write_comparison
from medgen.report.study.warned import Warned, warned

MAPS = (
    "The maps are not shown to find pixels better than the best map that no model made, in {} of 9 measures: "
    "AUROC ({} against “{}”)."
)
FRAMES = "It was trained on other frames ({}) than “a” (16)."


def test_what_begins_alike_is_one_warning() -> None:
    first, second = MAPS.format(9, "-0.035", "nearness"), MAPS.format(8, "+0.1", "brightness")
    assert warned([("a", first), ("b", FRAMES.format(15)), ("b", second)]) == [
        Warned(
            ("a", "b"),
            "The maps are not shown to find pixels better than the best map that no model made",
            (("a", first), ("b", second)),
        ),
        Warned(("b",), FRAMES.format(15)),
    ]


def test_one_text_of_several_runs_is_said_once_and_whole() -> None:
    assert warned([("a", FRAMES.format(15)), ("b", FRAMES.format(15)), ("a", FRAMES.format(15))]) == [
        Warned(("a", "b"), FRAMES.format(15))
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ("Up to 2 trainings shared the machine.", "Up to 3 trainings shared the machine."),  # "Up to" says too little
        ("9 trivial traits tell the classes apart.", "8 trivial traits tell the classes apart."),
        ("Frames (3) were lost.", "Frames (4) were found."),
    ],
)
def test_a_beginning_that_says_little_joins_nothing(texts: tuple[str, str]) -> None:
    assert warned([("a", texts[0]), ("b", texts[1])]) == [Warned(("a",), texts[0]), Warned(("b",), texts[1])]


def test_the_page_shows_alike_warnings_as_one_that_opens(tmp_path: Path) -> None:
    made = make_comparison(skills={"gan": 1.0, "vae": 2.0}, seeds=2)
    texts = iter([MAPS.format(9, -0.1, "x"), MAPS.format(8, -0.2, "<b>"), MAPS.format(7, -0.3, "x"), MAPS.format(6, -0.4, "x")])
    entries = [
        replace(entry, runs=[replace(run, warnings=[next(texts), "The same of all."]) for run in entry.runs])
        for entry in made.entries
    ]
    page = write_comparison(replace(made, entries=entries), tmp_path).read_text()
    assert page.count("that no model made: 4 cases.</summary>") == 1 and page.count("The same of all.</div>") == 1
    for measures in (9, 8, 7, 6):
        assert page.count(f"in {measures} of 9 measures") == 1
    assert "“&lt;b&gt;”" in page and "<strong>Warning.</strong> The same of all." in page
