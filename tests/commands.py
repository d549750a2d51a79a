"""Run the command as a user does, in this process; the arguments that make a training small."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner, Result
from medgen_cli.main import main

ONE_EPOCH = ["--epochs", "1", "--set", "data.batch_size=2", "--set", "train.panel_frames=3"]
SMALL_VAE = ["--epochs", "1", "--set", "model.widths=[8]", "--set", "data.batch_size=4"]
TWO_DOMAINS = {
    "pix2pix": ["model.width=4", "model.critic_width=4", "model.pairing=given"],
    "cyclegan": ["model.generator_width=4", "model.critic_width=4"],
    "pixelda": ["model.width=4", "model.discriminator_width=4", "model.blocks=1"],
}


def medgen(*arguments: object) -> Result:
    """Run the command; return its exit code and all that it printed."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> str:
    """Run the command, which has to succeed; return what it printed."""
    result = medgen(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def fail(*arguments: object) -> str:
    """Run the command, which has to fail; return the one line that answers the mistake."""
    result = medgen(*arguments)
    lines = result.output.strip().splitlines()
    answers = [line for line in lines if not re.match(r"(prepare|train|score): \d+/", line)]
    assert result.exit_code != 0 and len(answers) == 1 and answers[0].startswith("medgen: "), result.output
    return answers[0]


def train_translator(backend: str, data: str, out: Path, *settings: str) -> str:
    """Train a small translator for one epoch."""
    values = [part for value in (*TWO_DOMAINS[backend], *settings) for part in ("--set", value)]
    return succeed("train", backend, data, "--out", out, *ONE_EPOCH, *values)
