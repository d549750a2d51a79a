"""The functions of `medgen.api` take what people type for a path: a text, and one path where several may be given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from untrained import make_frames

from medgen import api


def verb(run: Path, others: Sequence[Path] = (), dataset: Path | str = "", out: Path | None = None) -> tuple[Any, ...]:
    return run, [*others], dataset, out


@pytest.mark.parametrize(
    ("arguments", "named", "expected"),
    [
        (("A",), {}, (Path("A"), [], "", None)),
        ((Path("A"), "B"), {"out": "C"}, (Path("A"), [Path("B")], "", Path("C"))),
        (("A", Path("B"), "mnist:D"), {}, (Path("A"), [Path("B")], "mnist:D", None)),
        (("A", ["B", Path("C")]), {}, (Path("A"), [Path("B"), Path("C")], "", None)),
    ],
)
def test_a_text_is_a_path_unless_the_function_takes_texts(
    arguments: tuple[Any, ...], named: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert api._taking_texts(verb)(*arguments, **named) == expected


def test_wrong_arguments_are_answered_by_the_function_itself() -> None:
    with pytest.raises(TypeError, match=r"verb\(\) got an unexpected keyword argument 'away'"):
        api._taking_texts(verb)("A", away=1)


def test_frames_are_inspected_by_the_text_of_their_path(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "frames")
    assert api.inspect(str(frames)).classes.equals(api.inspect(frames).classes)  # type: ignore[arg-type]
