"""Shells complete commands, options, backends, recipes and files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete, CompletionItem
from click.testing import CliRunner
from medgen_cli.main import main

from medgen import recipes, registry


def offered(*words: str) -> list[CompletionItem]:
    """Return what is offered for the last of some words behind `medgen`."""
    return BashComplete(main, {}, "medgen", "_MEDGEN_COMPLETE").get_completions(list(words[:-1]), words[-1])


def values(*words: str) -> list[str]:
    return [item.value for item in offered(*words)]


def test_a_command_is_completed() -> None:
    assert values("re") == [name for name in main.list_commands(click.Context(main)) if name.startswith("re")]


def test_an_option_is_completed() -> None:
    assert {"--quiet"} == {*values("report", "RUN", "--q")} and "--json" in values("audit", "--")


def test_a_choice_is_completed() -> None:
    assert values("score", "RUN", "FRAMES", "--runtime", "open") == ["openvino"]


def test_a_backend_is_completed_with_what_it_is() -> None:
    (item,) = offered("train", "endo")
    assert (item.value, item.help) == ("endovae", registry.summaries()["endovae"])


def test_the_last_of_several_backends_is_completed() -> None:
    assert values("compare", "DATA", "--backends", "vae,vqvae") == ["vae,vqvae", "vae,vqvae2"]


def test_a_recipe_is_completed_beside_files() -> None:
    first, *rest = offered("train", "endovae", "DATA", "--config", "vae-")
    assert first.type == "file" and [item.value for item in rest] == [name for name in recipes.names() if name.startswith("vae-")]


def test_a_path_is_left_to_the_shell() -> None:
    assert [item.type for item in offered("report", "RU")] == ["file"]


@pytest.mark.parametrize(
    ("shell", "line"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef medgen"), ("fish", "complete ")]
)
def test_the_script_of_each_shell_asks_medgen(shell: str, line: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert line in script and f"_MEDGEN_COMPLETE={shell}_complete" in script


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The command as a program of a folder of its own."""
    program = tmp_path / "medgen"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from medgen_cli.main import main; main(prog_name=\'medgen\')"\n')
    program.chmod(0o755)
    return program


def asked(*line: str) -> str:
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_by_the_script(program: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    words = f'COMP_WORDS=({program} train endo); COMP_CWORD=2; _medgen_completion {program}; echo "$COMPREPLY"'
    assert asked("bash", "-c", f"{script}\n{words}") == "endovae\n"


def test_fish_is_told_all_of_a_word_with_commas() -> None:
    assert 'string split --max 1 ","' in CliRunner().invoke(main, ["completion", "fish"]).stdout


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_the_last_of_several_backends_by_the_script(program: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "fish"]).stdout
    words = "complete --do-complete 'medgen compare DATA --backends vae,endo'"
    offer = asked("fish", "-c", f"set -x PATH {program.parent} $PATH\n{script}\n{words}")
    assert offer.split("\t") == ["vae,endovae", f"{registry.summaries()['endovae']}\n"]
