"""Commands are found by their files, and ignore no option."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands import fail
from medgen_cli import commands
from medgen_cli.main import main

HELLO = '''
import click

@click.command()
@click.argument("name")
def say_hello(name: str) -> None:
    """Greet NAME."""
    click.echo(f"hello {name}")
'''


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return what runs the command line while one more file lies among the commands."""
    (tmp_path / "say_hello.py").write_text(HELLO)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    return CliRunner()


def test_a_file_among_the_commands_is_a_command(runner: CliRunner) -> None:
    assert runner.invoke(main, ["say-hello", "world"]).output == "hello world\n"


def test_the_help_lists_it_with_the_others(runner: CliRunner) -> None:
    lines = runner.invoke(main, ["--help"]).output.splitlines()
    assert "  say-hello    Greet NAME." in lines and lines.index("  say-hello    Greet NAME.") > lines.index("Commands:")


def test_an_option_is_spelt_alike_in_all_commands() -> None:
    context = click.Context(main)
    commands_of_all = [main.get_command(context, name) for name in main.list_commands(context)]
    options = [param for command in commands_of_all if command for param in command.params if isinstance(param, click.Option)]
    spellings: dict[str, set[tuple[str, ...]]] = {}
    for option in options:
        for word in option.opts:
            spellings.setdefault(word.lstrip("-"), set()).add(tuple(sorted(option.opts)))
    assert {word: found for word, found in spellings.items() if len(found) > 1} == {}
    assert spellings["n"] == {("--n", "-n")}


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_has_the_name_of_its_file_and_says_what_it_does(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None and command.name == name and command.help


@pytest.mark.parametrize(
    "words",
    [
        "edit R D --from a --to b --out O --steps 3",
        "edit R --frame F --along a --out O -n 3",
        "export R --out O --format monai-bundle --frames 4",
        "inspect D --limit 3",
        "maps R D --out O --blank-text",
        "reconstruct R D --out O -n 3",
        "report R --top 3",
        "serve R --dicom-from A",
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: str) -> None:
    assert "; leave it away" in fail(*words.split())


def test_a_command_whose_reader_has_gone_ends_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `medgen ... | head` does once it has its lines
    line = [sys.executable, "-c", "from medgen_cli.main import main; main()", "recipes"]
    ended = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, timeout=300, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")
