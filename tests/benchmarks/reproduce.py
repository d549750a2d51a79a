"""The systems of the course reports behind this project: what they reported, what is measured here, and measuring it again.

python tests/benchmarks/reproduce.py                   # the table of published numbers, as Markdown
python tests/benchmarks/reproduce.py OUT [NAME...]     # run the commands of all systems, or of those named, in OUT

`reports/systems.toml` says it all. A system that is finished in OUT is not run again, a training goes on where it was
interrupted, and one that is stopped ends the call, as nothing is measured of half a training; what the commands say is in
``OUT/NAME/log``. The published and the new numbers of each stand side by side.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medgen.engine.fit import STATE
from medgen.errors import number_of
from medgen.runs.run import RUN, open_run

REPORTS = Path(__file__).parents[2] / "reports"
NUMBER = re.compile(r"\{(?P<file>[^:}]+):(?P<keys>[^:}]+):(?P<format>[^}]+)\}")


def systems() -> list[dict[str, Any]]:
    """Return what `reports/systems.toml` says, one entry a system."""
    found: list[dict[str, Any]] = tomllib.loads((REPORTS / "systems.toml").read_text(encoding="utf-8"))["system"]
    return found


def slug(name: str) -> str:
    """Return a system's folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def filled(text: str, read: Callable[[str], Any]) -> str:
    """Return a sentence with its numbers; `read` returns what a published file, or the one that stands for it, holds."""

    def value(match: re.Match[str]) -> str:
        found = read(match["file"])
        for key in match["keys"].split("/"):
            found = found[key]
        return format(found, match["format"])

    return NUMBER.sub(value, text)


def published(file: str) -> Any:
    """Return what a file below `reports/` holds."""
    return json.loads((REPORTS / file).read_text(encoding="utf-8"))


def table() -> str:
    """Return the published table as Markdown."""
    lines = ["| system | data | reported | measured | minutes of one core | how |", "|---|---|---|---|---|---|"]
    for one in systems():
        measured = filled(one["measured"], published)
        lines.append(
            f"| {one['name']} | {one['data']} | {one['reported']} | {measured} | {one['minutes']} | [page]({one['page']}) |"
        )
    hours = sum(one["minutes"] for one in systems()) / 60
    return "\n".join([*lines, "", f"`make reproduce` runs all of it in about {hours:.0f} hours of one core."]) + "\n"


def is_finished(training: Path) -> bool:
    """Tell whether a run has been trained to its end."""
    return (training / RUN).is_file() and open_run(training).finished()


def run(one: Mapping[str, Any], out: Path) -> None:
    """Run a system's commands in its folder, from the root of the project."""
    folder = out / slug(one["name"])
    if (folder / "done").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("a", encoding="utf-8") as log:
        for text in one["commands"]:
            command, _, target = text.partition(" > ")
            words = [word.replace("OUT", str(folder)) for word in shlex.split(command)]
            training = Path(words[words.index("--out") + 1]) if words[:2] == ["medgen", "train"] else None
            if training and is_finished(training):
                continue
            if training and (training / STATE).is_file():
                words = [*words[: words.index("--out") + 2], "--resume"]
            if words[:2] == ["medgen", "prepare"] and (folder / "data" / "prepare.toml").is_file():
                continue
            words[0] = str(Path(sys.executable).with_name(words[0]))
            log.write(f"$ {shlex.join(words)}\n")
            log.flush()
            done = subprocess.run(
                words, stdout=subprocess.PIPE if target else log, stderr=log, check=True, cwd=REPORTS.parent, env=os.environ
            )
            if training and not is_finished(training):
                sys.exit(f"{slug(one['name'])}: the training was stopped; the same command goes on with it")
            if target:
                (folder / Path(target).name).write_bytes(done.stdout)
    (folder / "done").touch()


def again(one: Mapping[str, Any], out: Path) -> str:
    """Return a system's sentence with the numbers of its new run."""

    def read(file: str) -> Any:
        path, _, key = one["again"][file].partition(":")
        found = json.loads((out / slug(one["name"]) / path).read_text(encoding="utf-8"))
        return _only(found, key) if key else found

    return filled(one["measured"], read)


def _only(found: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a name, or under the only one that begins with it: distances have split and data set in theirs."""
    if key in found:
        return found[key]
    (name,) = (name for name in found if name.startswith(f"{key} "))
    return found[name]


def main(out: Path, names: list[str]) -> None:
    known = {slug(one["name"]): one for one in systems()}
    if unknown := [name for name in names if slug(name) not in known]:
        sys.exit(f"there is no system '{unknown[0]}'; known: {', '.join(known)}")
    failed = []
    for name in [slug(name) for name in names] or known:
        one = known[name]
        try:
            run(one, out.resolve())
        except subprocess.CalledProcessError as error:
            failed.append(name)
            sys.stderr.write(f"{name}: '{shlex.join(error.cmd)}' failed; see {out / name / 'log'}\n")
            continue
        sys.stdout.write(f"{one['name']}\n  published: {filled(one['measured'], published)}\n  again:     {again(one, out)}\n")
    sys.exit(f"{number_of(len(failed), 'system', 'systems')} failed" if failed else 0)


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    if words:
        main(Path(words[0]), words[1:])
    else:
        sys.stdout.write(table())
