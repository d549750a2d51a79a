"""Scripts of measurements answer a wrong number of words with how they are called."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from benchmarks.usage import arguments, limits

HERE = Path(__file__).parent
SCRIPTS = [
    path for folder in ("benchmarks", "soak") for path in sorted((HERE / folder).glob("*.py")) if "__main__" in path.read_text()
]
DOC = """Measure.

python tests/benchmarks/measure.py RUN [FRAMES [ROUNDS]]    # a remark
"""


@pytest.mark.parametrize(
    ("form", "least", "most"),
    [
        ("", 0, 0),
        ("RUN COLUMN", 2, 2),
        ("RUN DATASET [FRAMES [ROUNDS]]", 2, 4),
        ("DATA [RATE] [GROUPS]", 1, 3),
        ("RUN...", 1, None),
        ("INSIDE RUN [RUN ...]", 2, None),
        ("OUT [NAME...]", 1, None),
    ],
)
def test_a_form_says_how_many_words_it_takes(form: str, least: int, most: int | None) -> None:
    assert limits(form) == (least, most)


@pytest.mark.parametrize("words", [(), ("RUN", "1", "2", "3")])
def test_a_wrong_number_of_words_is_answered_with_the_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(DOC, words)
    said = capsys.readouterr().err.splitlines()[0]
    assert (ended.value.code, said) == (2, "usage: python tests/benchmarks/measure.py RUN [FRAMES [ROUNDS]]")


def test_words_that_fit_come_back() -> None:
    assert arguments(DOC, ["RUN", "8"]) == ["RUN", "8"]


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(DOC, ["--help"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{DOC}\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_script_checks_its_words_by_its_docstring_or_by_a_parser(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    own = f"python tests/{script.parent.name}/{script.name}"
    assert own in (ast.get_docstring(ast.parse(text)) or "") and ("arguments(__doc__)" in text or "ArgumentParser(" in text)
