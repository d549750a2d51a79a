"""The commands of the README run as they stand there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from medgen_cli.main import main
from sources import side_by_side

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom

ROOT = Path(__file__).parents[1]
RECIPES, STUDIES = ({*(ROOT / "configs").glob(f"{name}*.toml")} for name in ("", "study-"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = {"prepare": ["--size", "32"], "train": ["--epochs", "1"]}  # all that is added to a command


def block(heading: str, language: str) -> str:
    """Return the first code block below a heading."""
    found = re.search(rf"^## {heading}$.*?^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def run(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    result = CliRunner().invoke(main, [*words, *QUICK.get(words[0], [])])
    assert result.exit_code == 0, f"{line}\n{result.output}"


def test_the_commands_for_ones_own_frames_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_phantom(Path("FRAMES"), PhantomSettings(train=16, val=20, test_normal=8, test_abnormal=8, width=160, height=160))
    Path("NEW").symlink_to("FRAMES/polyp")
    for line in block("Your own frames", "sh").splitlines():
        run(line)
    assert Path("reports/runs/RUN/report.html").is_file()


def test_the_commands_for_two_domains_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_phantom(Path("FRAMES"), PhantomSettings(train=8, val=2, test_normal=4, test_abnormal=24, width=160, height=160))
    for name in ("DATA", "ELSEWHERE"):
        run(f"medgen prepare FRAMES --out {name}")
    Path("DIR").mkdir()
    side_by_side(Path("DIR"))
    for line in block("Two domains", "sh").splitlines():
        run(line)
    assert len([*Path("DIR").glob("*/*.png")]) > 6  # what was translated lies there, too


def test_the_commands_for_comparing_backends_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_phantom(Path("FRAMES"), PhantomSettings(train=16, val=20, test_normal=8, test_abnormal=8, width=160, height=160))
    run("medgen prepare FRAMES --out DATA")
    run("medgen train vae DATA --out RUN --set data.overlay=common")
    for line in block("Comparing backends", "sh").splitlines():
        run(f"{line.split('#')[0]} --seeds 1 --set train.epochs=2" if "--backends" in line else line)
    assert Path("AGAIN/study.toml").is_file() and Path("PAGE/metrics.json").is_file()


def test_the_study_file_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "study.toml").write_text(block("Comparing backends", "toml"))
    assert [settings.model.get("latents") for settings in api.read_study(tmp_path / "study.toml").recipes().values()] == [
        None,
        64,
    ]


def test_the_recipe_of_the_measured_run_is_there_and_valid() -> None:
    line = next(line for line in block("Measured on real frames", "sh").splitlines() if " train " in line)
    words = shlex.split(line)
    assert api.recipe(words[2], ROOT / words[words.index("--config") + 1]).backend == "endovae"


def test_the_python_example_names_what_exists() -> None:
    names = {node.attr for node in ast.walk(ast.parse(block("In Python", "python"))) if isinstance(node, ast.Attribute)}
    assert names and all(hasattr(api, name) for name in names)


@pytest.mark.parametrize("recipe", sorted(RECIPES - STUDIES), ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_says_its_command(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    backend = re.search(r'^backend = "(\w+)"', text, re.MULTILINE)
    assert backend and api.recipe(backend[1], recipe) and text.startswith("# medgen ")


@pytest.mark.parametrize("study", sorted(STUDIES), ids=lambda path: path.stem)
def test_every_study_is_valid_and_says_its_command(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert api.read_study(study).recipes() and study.read_text(encoding="utf-8").startswith("# medgen ")
