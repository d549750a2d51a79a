"""Does medgen do on a GPU what it does on a CPU, and how fast? One table in at most eight minutes, without a network.

make gpu [OUT=gpu]
python tests/benchmarks/gpu.py OUT [--device cuda] [--small] [--seconds 480] [--only PART...]

Parts: the tests of the contract on the device; every backend trained for a few steps, scored there and on the CPU, saved and
loaded, stopped and resumed; speed, share of the step in kernels and peak memory of four backends beside a plain float32 loop;
the recipes that are not measured yet, as far as the time goes. A part that fails is a row that says why, and the others go on;
one for which the time would not be enough is left out and says so. They run in a process of their own, which is begun again
where one of them ends it. ``OUT/table.txt`` holds the table, ``OUT/numbers.json`` all numbers with the card, its driver and the
versions, ``OUT/log.txt`` what else was said.

The exit status is 0 where every part passed; a recipe may be left out.
`--device cpu --small` tries the script itself on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_parts import ROOT, Outcome, Setting, Skipped

from medgen import registry

TESTS = ROOT / "tests"
SPEEDS = ("endovae", "wgan", "pix2pix", "dfm")
RECIPES = ("pix2pix-maps", "pixelda-mnistm-full")
NEEDED = {"machine": 0.0, "contract": 45.0, "backend": 5.0, "speed": 30.0, "recipe": 40.0}  # seconds left, or a part is not begun
BROKEN, NO_DEVICE = 17, 18  # exit statuses of the process of the parts: the device answers no more; there is none
Row = dict[str, Any]


def all_parts() -> list[str]:
    """Return the names of all parts in their order: a kind, and of what."""
    backends = [f"backend {name}" for name in registry.names()]
    return ["machine", "contract", *backends, *(f"speed {name}" for name in SPEEDS), *(f"recipe {name}" for name in RECIPES)]


def find(part: str, setting: Setting) -> Outcome:
    """Do one part. Each imports what it needs, so that the process that waits for it stays small."""
    kind, _, name = part.partition(" ")
    if kind == "speed":
        from gpu_speed import speed

        return speed(name, setting)
    if kind == "recipe":
        from gpu_recipes import recipe

        return recipe(name, setting)
    import gpu_checks

    return gpu_checks.backend(name, setting) if kind == "backend" else getattr(gpu_checks, kind)(setting)


def row_of(part: str, setting: Setting) -> Row:
    """Do one part and return its row, whatever happens."""
    begun = time.monotonic()
    needed = NEEDED[part.partition(" ")[0]]
    if setting.seconds_left < needed and not setting.small:
        return row(part, "skipped", f"{max(0.0, setting.seconds_left):.0f} s are left, it needs about {needed:.0f}")
    try:
        outcome = find(part, setting)
    except Skipped as reason:
        return row(part, "skipped", str(reason))
    except Exception as error:
        traceback.print_exc()  # into the log
        return row(part, "failed", one_line(error), seconds=time.monotonic() - begun)
    text = "; ".join(filter(None, (outcome.problem, outcome.text)))
    result = "failed" if outcome.problem else "passed"
    return row(part, result, text, outcome.numbers, time.monotonic() - begun)


def row(part: str, result: str, text: str, numbers: Any = None, seconds: float = 0.0) -> Row:
    return {"part": part, "result": result, "text": text, "seconds": round(seconds, 1), "numbers": dict(numbers or {})}


def one_line(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}"[:300]


def work(parts: Sequence[str], setting: Setting, rows: Path) -> int:
    """Do parts one after the other, each with its row at the end of the file `rows`; return the exit status."""
    for number, part in enumerate(parts):
        found = row_of(part, setting._replace(parts_left=len(parts) - number))
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        if found["result"] == "failed" and part == "machine":
            return NO_DEVICE
        if found["result"] == "failed" and not answers(setting.device):
            return BROKEN
    return 0


def answers(device: str) -> bool:
    """Tell whether a device still computes: an error in a kernel spoils it for the rest of a process."""
    import torch

    try:
        return bool((torch.ones(2, device=device).sum() == 2).item())
    except RuntimeError:
        return False


def run_parts(parts: Sequence[str], setting: Setting) -> list[Row]:
    """Have parts done by a process, and by another one where that ends early; return their rows."""
    file = setting.out / "rows.jsonl"
    left, lost = list(parts), []
    while left:
        status = run_process(left, setting, file)
        done = read_rows(file)
        left = [part for part in left if part not in {one["part"] for one in (*done, *lost)}]
        if left and status == NO_DEVICE:
            lost += [row(part, "skipped", "there is no device") for part in left]
            break
        if left and status is None:
            lost.append(row(left[0], "failed", "was not through when the time was over"))
            lost += [row(part, "skipped", "the time was over") for part in left[1:]]
            break
        if left and status != BROKEN:
            lost.append(row(left.pop(0), "failed", f"its process ended with status {status}; see {setting.out / 'log.txt'}"))
    found = {one["part"]: one for one in (*read_rows(file), *lost)}
    return [found[part] for part in parts]


def run_process(parts: Sequence[str], setting: Setting, rows: Path) -> int | None:
    """Do parts in a process of its own; return its exit status, None where it was ended as the time was over."""
    command = [sys.executable, __file__, str(setting.out), "--device", setting.device, "--deadline", str(setting.deadline),
               "--rows", str(rows), *(["--small"] if setting.small else []), "--only", *parts]  # fmt: skip
    paths = os.pathsep.join(filter(None, (str(TESTS), str(ROOT), os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "PYTHONPATH": paths, "MEDGEN_TEST_DEVICE": setting.device}
    environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic, asked or not
    shown = len(read_rows(rows))
    with (
        (setting.out / "log.txt").open("a", encoding="utf-8") as log,
        subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True, stdout=log, stderr=log) as process,
    ):
        try:
            while process.poll() is None and setting.seconds_left > 0:
                time.sleep(0.2)
                shown = show_new(rows, shown)
            return process.poll()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the tests that it may have begun with it
            show_new(rows, shown)


def show_new(rows: Path, shown: int) -> int:
    """Tell of the rows that came since `shown` of them were there; return how many there are now."""
    found = read_rows(rows)
    for one in found[shown:]:
        sys.stderr.write(line(one) + "\n")
    return len(found)


def read_rows(file: Path) -> list[Row]:
    if not file.is_file():
        return []
    return [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines(keepends=True) if text.endswith("\n")]


def line(found: Row) -> str:
    """Return a row of the table; each part of what it says is on a line of its own."""
    head = f"{found['part']:<28} {found['result']:<8} {found['seconds']:>6.1f} s  "
    return head + found["text"].replace("; ", "\n" + " " * len(head))


def table(rows: Sequence[Row], setting: Setting, taken: float) -> str:
    """Return the table as plain text."""
    counts = {result: sum(one["result"] == result for one in rows) for result in ("passed", "failed", "skipped")}
    sizes = "small sizes, which say nothing of speed" if setting.small else "full sizes"
    head = f"medgen on '{setting.device}', {sizes}; {taken:.0f} s"
    foot = ", ".join(f"{count} {result}" for result, count in counts.items())
    return "\n".join([head, "", *map(line, rows), "", foot]) + "\n"


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the table and the numbers; an earlier one of this script is replaced")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script without a GPU")
    parser.add_argument("--seconds", type=float, default=480.0, help="that all parts together may take")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="parts by their beginnings: 'speed', 'backend vae'")
    parser.add_argument("--deadline", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    given = arguments(words)
    out = given.out.resolve()
    if given.rows:  # this is the process that does the parts
        return work(given.only, Setting(given.device, given.small, out, given.deadline), given.rows)
    if out.exists() and any(out.iterdir()) and not (out / "rows.jsonl").is_file():
        sys.exit(f"'{given.out}' holds something else than results of this script; choose another folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "rows.jsonl").touch()  # by which the folder is known again
    setting = Setting(given.device, given.small, out, time.time() + given.seconds)
    parts = [part for part in all_parts() if not given.only or part == "machine" or part.startswith(tuple(given.only))]
    begun = time.monotonic()
    rows = run_parts(parts, setting)
    text = table(rows, setting, time.monotonic() - begun)
    (out / "table.txt").write_text(text, encoding="utf-8")
    about = {"device": given.device, "small": given.small, "seconds_allowed": given.seconds, **rows[0]["numbers"]}
    (out / "numbers.json").write_text(json.dumps({**about, "parts": rows}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(passes(one) for one in rows) else 1


def passes(found: Row) -> bool:
    """Tell whether a row speaks for success; recipes are trained only as far as time and data go."""
    return found["result"] == "passed" or (found["result"] == "skipped" and found["part"].startswith("recipe "))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
