"""What docstrings document exists: each name of a section "Parameters" or "Attributes" is one of the code below it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "medgen").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
SECTION = re.compile(r"^(\w+)\n-{3,}\n((?:.+\n?)*)", re.MULTILINE)
NAMES = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) : ")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def documented(docstring: str, section: str) -> Iterator[str]:
    """Yield the names that a section of a docstring documents, and each line that names nothing as it stands."""
    for title, body in SECTION.findall(cleandoc(docstring)):
        for line in body.splitlines():
            if title == section and not line.startswith(" "):
                found = NAMES.match(line)
                yield from found[1].replace("*", "").split(", ") if found else [line]


def parameters(function: Function) -> set[str]:
    arguments = function.args
    several = [one for one in (arguments.vararg, arguments.kwarg) if one]
    return {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several)}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def bases(path: Path, node: ast.ClassDef) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield a class and those of medgen that it inherits from, each with its file."""
    yield path, node
    below = {one.name: (path, one) for one in parsed(path).body if isinstance(one, ast.ClassDef)}
    for statement in parsed(path).body:
        source = ROOT / f"{(getattr(statement, 'module', None) or '').replace('.', '/')}.py"
        if isinstance(statement, ast.ImportFrom) and statement.level == 0 and source.is_file():
            classes = {one.name: one for one in parsed(source).body if isinstance(one, ast.ClassDef)}
            below |= {one.asname or one.name: (source, classes[one.name]) for one in statement.names if one.name in classes}
    for base in node.bases:
        name = ast.unparse(base).split("[")[0]
        if name in below:
            yield from bases(*below[name])


def fields(node: ast.ClassDef) -> set[str]:
    """Return the names that the body of a class annotates or sets."""
    annotated = {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
    return annotated | {
        name.id for one in node.body if isinstance(one, ast.Assign) for name in one.targets if isinstance(name, ast.Name)
    }


def attributes(node: ast.ClassDef) -> set[str]:
    """Return the names of fields, methods and properties of a class, and of what its methods set and register."""
    found = fields(node) | {one.name for one in node.body if isinstance(one, Function)}
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store) and ast.unparse(one.value) == "self":
            found.add(one.attr)
        elif (
            isinstance(one, ast.Call)
            and ast.unparse(one.func) == "self.register_buffer"
            and isinstance(one.args[0], ast.Constant)
        ):
            found.add(str(one.args[0].value))
    return found


def undocumentable(path: Path) -> Iterator[str]:
    """Yield each documented name that the code of a file does not have."""
    for node in ast.walk(parsed(path)):
        if not isinstance(node, Function | ast.ClassDef) or not (docstring := ast.get_docstring(node)):
            continue
        if isinstance(node, ast.ClassDef):
            family = [one for _, one in bases(path, node)]
            inits = [one for base in family for one in base.body if isinstance(one, Function) and one.name == "__init__"]
            taken = parameters(inits[0]) if inits else set()
            taken |= {name for base in family for name in fields(base)}
            owned = {name for base in family for name in attributes(base)}
        else:
            taken, owned = parameters(node), set()
        for section, names in (("Parameters", taken), ("Attributes", owned)):
            yield from (f"{node.name}: {name}" for name in documented(docstring, section) if name not in names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_docstrings_document_exists(path: Path) -> None:
    assert not [*undocumentable(path)]
