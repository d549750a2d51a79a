"""A process that is ended from outside has its line said for it, and no other process has."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os
from medgen.verbs.spread.last_words import last_words
with last_words("go on with the same call"):
    {end}
"""


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("os._exit(3)", 3, "go on with the same call"),
        ("os.kill(os.getpid(), 9)", -9, "go on with the same call"),
        ("raise SystemExit(4)", 4, ""),
        ("pass", 0, ""),
    ],
    ids=["ended", "killed", "with-an-exception", "well"],
)
def test_only_a_process_that_is_ended_from_outside_has_its_line_said(end: str, code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.format(end=end)], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr.strip()) == (code, said)
