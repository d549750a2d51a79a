"""The page about licences has a row for each package that medgen installs, with what the package says of itself."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "test"}
LINES = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
PACKAGES = [re.split(r"[<>=!;\[ ]", line)[0] for line in LINES]
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\S+) \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE))
LISTED = {  # in running text: packages of the tests, and what others bring along
    canonicalize_name(name): licence
    for name, licence in re.findall(r"([\w.-]+) \(((?:[^()]|\([^()]*\))+)\)[,.]", PAGE.partition("## Weights")[0])
}


def stated(package: str) -> str:
    """What an installed package says of its licence."""
    known = metadata(package)
    kinds = [line.split("::")[-1].strip() for line in known.get_all("Classifier") or [] if line.startswith("License")]
    words = known.get("License-Expression") or ", ".join(kinds) or (known.get("License") or "").partition("\n")[0]
    return words if words not in ("", "UNKNOWN") else "unknown"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_has_its_row_with_its_own_words(package: str) -> None:
    try:
        known = stated(package)
    except PackageNotFoundError:
        assert package in ROWS
        return
    assert ROWS[package].strip() == known


def test_no_package_of_its_own_is_under_the_gpl() -> None:
    assert not [line for line in (*ROWS.items(), *LISTED.items()) if "GPL" in line[1] or "General Public" in line[1]]


def test_every_package_that_is_locked_has_a_licence_on_the_page() -> None:
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    rows = {canonicalize_name(name) for name in ROWS}
    assert len(locked) > 50 and not [name for name in locked if name not in LISTED and name not in rows]


def test_packages_that_others_bring_along_are_listed_with_their_own_words() -> None:
    wrong = {}
    for package, licence in LISTED.items():
        try:
            known = stated(package)
        except PackageNotFoundError:  # of another system
            continue
        if licence != known:
            wrong[package] = known
    assert not wrong
