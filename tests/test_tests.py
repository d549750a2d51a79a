"""The tests themselves: where what they share lives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.rglob("*.py"))


def imported(tree: ast.Module) -> set[str]:
    """Return the modules that a file imports, at its head or in a function."""
    nodes = [*ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_imports_a_module_of_tests(path: Path) -> None:
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    assert not [name for name in names if name.split(".")[-1].startswith("test_")], "move what is shared to a helper module"
