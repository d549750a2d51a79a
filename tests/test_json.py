"""Every command prints, with --json, one object that holds each number of its tables, and with --quiet nothing."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import medgen_cli.answer
import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import SMALL_VAE, fail
from medgen_cli.main import main
from medgen_cli.progress import Display
from PIL import Image, ImageOps
from untrained import make_frames, make_run

from medgen.data.phantom.frames import PhantomSettings
from medgen.runs.run import open_run
from medgen.types import Progress
from medgen.verbs import demo

COMMANDS = main.list_commands(click.Context(main))
SPLITS = {"train": 4, "val": 4, "test_normal": 4, "test_abnormal": 4, "width": 160, "height": 160}
RUN, DATA = "run", "folder:frames"
LINES: Mapping[str, list[str]] = {  # words behind the name of each command, in a folder that holds what `world` makes
    "audit": [DATA, "--run", RUN],
    "backends": [],
    "compare": [RUN, "run2", "--out", "page"],
    "completion": ["bash"],
    "demo": ["--out", "demo", "--epochs", "1"],
    "doctor": ["--no-self-test"],
    "edit": [RUN, DATA, "--from", "good", "--to", "bad", "--with-test", "--out", "edited.png"],
    "evaluate": [RUN, "folder:other", "--out", "elsewhere"],
    "export": [RUN, "--out", "graph", "--format", "torch-export"],
    "fid": [RUN, "--extractor", "efficientnet-lite0", "--n", "6"],
    "inspect": ["frames", "--steps", "steps", "--limit", "1"],
    "maps": [RUN, "frames/test/bad", "--out", "maps"],
    "prepare": ["frames", "--out", "data", "--size", "32", "--overlay", "none", "--pseudonymise", "key/key.json"],
    "recalibrate": [RUN, "--normals", "folder:other", "--split", "val", "--out", "local"],
    "recipes": [],
    "reconstruct": [RUN, "frames/test/bad", "--out", "drawn"],
    "report": [RUN, "--out", "report"],
    "reveal": ["data/index.csv", "--key", "key/key.json"],
    "sample": [RUN, "-n", "2", "--out", "samples.png"],
    "score": [RUN, "frames/test", "--out", "scores", "--no-pictures"],
    "serve": [RUN, "--port", "0", "--check"],
    "threshold": [RUN, "--false-alarm-rate", "0.1"],
    "train": ["vae", DATA, "--out", "trained", *SMALL_VAE],
    "translate": ["translator", DATA, "--out", "translated"],
    "verify": [RUN],
    "view": [RUN, "frames/test", "--no-browser", "--idle", "0", "--marks", "marks/marks.csv"],
}
BEFORE = {"reveal": "prepare", "demo": "report"}  # what makes the files that a command reads here
NUMBER = re.compile(r"(?<![\w./-])\d+\.\d+(?![\w.])")  # as tables print a measure; versions and names of files aside
SCALES = (1, 100, 1000, 1 / 60)  # a share as per cent, KID x 1000, seconds as minutes


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, blank_charts: None, no_comparison_pdf: None, few_draws: None, no_stacks: None
) -> Iterator[Path]:
    """Frames and runs that were never trained, in what is the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("json"))
        patch.setattr(demo, "PhantomSettings", lambda difficulty: PhantomSettings(difficulty=difficulty, **SPLITS))
        patch.setattr(demo, "train", lambda *given, **how: open_run(Path(RUN)))
        patch.setattr(demo, "report", lambda *given, **how: Path("report/report.html"))
        frames = make_frames(Path("frames"))
        for path in make_frames(Path("other")).rglob("*.png"):  # frames of another camera
            with Image.open(path) as frame:
                ImageOps.invert(frame).save(path)
        for name in ("run", "run2"):
            make_run(frames, Path(name)).with_facts(finished="for tests")
        narrow = ("model.width=4", "model.critic_width=4", "model.pairing=grey", "data.batch_size=8")
        make_run(frames, Path("translator"), "pix2pix", narrow).with_facts(finished="for tests")
        yield Path()


@pytest.fixture(scope="module")
def asked(world: Path) -> Callable[[str], tuple[Result, list[str]]]:
    """A function that runs a command once with --json; it returns the result, and the text that it would have printed."""
    done: dict[str, tuple[Result, list[str]]] = {}

    def ask(name: str) -> tuple[Result, list[str]]:
        if name in BEFORE:
            ask(BEFORE[name])
        if name not in done:
            texts: list[str] = []

            def answer(text: str = "", **values: Any) -> None:
                texts.append(text)
                medgen_cli.answer.answer(text, **values)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module_of(name), "answer", answer)
                done[name] = CliRunner().invoke(main, [name, *LINES[name], "--json"]), texts
        return done[name]

    return ask


def module_of(name: str) -> ModuleType:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return sys.modules[str(command.callback.__module__)]


def numbers(value: Any) -> Iterator[float]:
    """Yield all numbers of nested values, and those in their texts."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, str):
        yield from map(float, NUMBER.findall(value))
    elif isinstance(value, int | float):
        yield value


def is_among(printed: str, known: list[float]) -> bool:
    digits = len(printed.partition(".")[2])
    return any(f"{abs(number) * scale:.{digits}f}" == printed for number in known for scale in SCALES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_one_object_and_nothing_else_on_stdout(name: str, asked: Callable) -> None:
    result, _ = asked(name)
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.stdout), dict) and len(json.loads(result.stdout)) > 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_object_holds_every_measure_that_the_text_prints(name: str, asked: Callable) -> None:
    result, texts = asked(name)
    known = [*numbers(json.loads(result.stdout))]
    assert [printed for text in texts for printed in NUMBER.findall(text) if not is_among(printed, known)] == []


def test_the_texts_that_were_compared_hold_many_measures(asked: Callable) -> None:
    assert sum(len(NUMBER.findall(text)) for name in ("audit", "evaluate", "fid", "report") for text in asked(name)[1]) > 50


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_past_the_one_function_that_answers(name: str) -> None:
    source = Path(str(module_of(name).__file__)).read_text(encoding="utf-8")
    assert not re.search(r"click\.echo\((?!.*err=True)", source)


def test_a_failed_command_leaves_stdout_empty(world: Path) -> None:
    result = CliRunner().invoke(main, ["score", "nowhere", "frames", "--out", "x", "--json"])
    assert (result.exit_code, result.stdout) == (1, "") and result.stderr.startswith("medgen: ")


def test_what_verify_found_is_in_the_object_beside_its_exit_code(asked: Callable, tmp_path: Path) -> None:
    asked("prepare")
    data = Path(shutil.copytree("data", tmp_path / "data"))
    frames = np.load(data / "frames.npy")
    np.save(data / "frames.npy", 255 - frames)
    result = CliRunner().invoke(main, ["verify", str(data), "--json"])
    assert result.exit_code == 1 and any(found["problems"] for found in json.loads(result.stdout)["looked_at"])


def test_a_quiet_command_prints_nothing(world: Path) -> None:
    result = CliRunner().invoke(main, ["score", RUN, "frames/test/bad", "--out", "quiet", "--no-pictures", "--quiet"])
    assert (result.exit_code, result.output) == (0, "") and Path("quiet/scores.csv").is_file()


def test_a_quiet_command_still_tells_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(main)
    context.meta[medgen_cli.answer.QUIET] = True
    with context, Display() as display:
        display(Progress("train", 1, 2, {"loss": 1.0}))
        display(Progress("train", 0, 0, {}, "left out 2 files"))
        display(Progress("train", 0, 0, {}, "warning: the frames look like noise"))
    assert capsys.readouterr().err == "warning: the frames look like noise\n"
    assert "there is no command" in fail("trian", "--quiet")


def test_bars_have_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for name in ("coloured", "plain"):
        monkeypatch.setenv("NO_COLOR", "1") if name == "plain" else monkeypatch.delenv("NO_COLOR", raising=False)
        with Display() as display:
            display(Progress("train", 1, 2, {"loss": 1.0}))
        shown[name] = {*re.findall(r"\x1b\[[\d;]*3[\d;]*m", capsys.readouterr().err)}
    assert shown["coloured"] and not shown["plain"]


@pytest.mark.parametrize(
    ("words", "code"),
    [(["backends"], 0), (["verify", "nowhere"], 1), (["backends", "--jsn"], 2), (["report"], 2), (["trian"], 2)],
)
def test_the_exit_code_says_what_kind_of_end_it_was(words: list[str], code: int) -> None:
    assert CliRunner().invoke(main, words).exit_code == code


def test_a_command_that_ctrl_c_ends_has_the_exit_code_of_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medgen.api.verify", stopped)
    assert CliRunner().invoke(main, ["verify", "DATA"]).exit_code == 130
