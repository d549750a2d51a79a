"""What medgen is published with: citation, container and conda recipe say the same as `pyproject.toml` and the lock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from medgen import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = (ROOT / "docs" / "packaging" / "recipe.yaml").read_text(encoding="utf-8")
AT_CONDA_FORGE = {  # names there, of packages whose own name is another
    "lightning-fabric": "pytorch-lightning",
    "matplotlib": "matplotlib-base",
    "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
}


def test_the_citation_is_of_this_version_and_licence() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {__version__}" in lines and f"license: {PROJECT['license']}" in lines


def test_the_conda_package_needs_what_the_wheel_needs() -> None:
    wheel = {
        AT_CONDA_FORGE.get(need.name, need.name): need.specifier for need in map(Requirement, sorted(PROJECT["dependencies"]))
    }
    needs = RECIPE.partition("\n  run:\n")[2].partition("\n\n")[0].splitlines()
    conda = dict(line.strip(" -").split() for line in needs)
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda == {name: str(specifier) for name, specifier in wheel.items()}


def test_the_conda_package_has_the_command_of_this_version() -> None:
    assert f"      - medgen = {PROJECT['scripts']['medgen']}\n" in RECIPE and f"\n  version: {__version__}\n" in RECIPE


def test_all_that_the_container_copies_is_there_and_handed_to_its_builder() -> None:
    copied = [
        words[:-1]
        for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        if (words := line.split())
    ]
    handed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for names in copied for name in names} == handed
    assert all((ROOT / name).exists() for name in handed)


def test_the_container_asks_for_the_extras_by_their_names() -> None:
    (names,) = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Dockerfile").read_text())
    assert set(names.split(",")) <= set(PROJECT["optional-dependencies"])


def test_each_python_that_is_named_is_allowed() -> None:
    named = [line.split("::")[-1].strip() for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    allowed = Requirement(f"medgen{PROJECT['requires-python']}").specifier
    assert len(named) == 3 and all(allowed.contains(version) for version in named)
