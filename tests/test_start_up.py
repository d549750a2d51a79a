"""A command imports what it needs and nothing else; each is watched in a process of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from untrained import make_frames, make_run

import medgen
from medgen import api

SLOW = {
    "torch",
    "lightning",
    "lightning_fabric",
    "monai",
    "torchmetrics",
    "scipy.stats",
    "matplotlib",
    "tensorboard",
    "plotly",
    "skimage",
    "sklearn",
}
COMMAND = "from medgen_cli.main import main\ntry: main({arguments!r})\nexcept SystemExit as end: assert not end.code, end.code"


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh Python has loaded when it has run `code`."""
    listed = f"{code}\nimport sys\nprint('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def loaded_by(*arguments: object) -> set[str]:
    """Return the modules that a command has loaded when it ends."""
    return loaded(COMMAND.format(arguments=[str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of raw frames of two classes."""
    return make_frames(tmp_path_factory.mktemp("start-up") / "frames")


def test_the_library_imports_no_verb_before_it_is_asked_for() -> None:
    assert {name for name in loaded("from medgen import api") if name.startswith("medgen")} == {"medgen", "medgen.api"}


def test_importing_medgen_imports_nothing_of_it() -> None:
    modules = loaded("import medgen; assert 'load' in dir(medgen)")
    assert not SLOW & modules and {name for name in modules if name.startswith("medgen")} == {"medgen"}


@pytest.mark.parametrize("command", ["inspect", "prepare"])
def test_raw_frames_are_read_without_what_trains_and_draws(command: str, frames: Path, tmp_path: Path) -> None:
    assert not SLOW & loaded_by(command, frames, "--out", tmp_path / "out")


def test_the_backends_are_listed_without_importing_one() -> None:
    assert not SLOW & loaded_by("backends")


def test_scoring_imports_nothing_that_only_a_training_or_a_page_needs(frames: Path, tmp_path: Path) -> None:
    run = make_run(frames, tmp_path / "run")
    modules = loaded_by("score", run.folder, frames, "--out", tmp_path / "out")
    assert "torch" in modules
    assert not modules & {*SLOW, "torch._dynamo"} - {"torch"}


def test_a_type_checker_finds_the_same_functions_as_a_caller() -> None:
    guarded = next(node for node in ast.parse(Path(api.__file__).read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: getattr(api, name).__wrapped__ for name in api.__all__}  # behind what makes paths of texts


def test_a_name_that_the_library_lacks_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"'medgen\.api' has no attribute 'trian'"):
        api.trian  # type: ignore[attr-defined]  # noqa: B018


def test_a_name_that_the_package_lacks_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'medgen' has no attribute 'laod'"):
        medgen.laod  # noqa: B018


def test_the_library_lists_its_functions_before_they_are_imported() -> None:
    assert {*api.__all__} <= {*dir(api)}
