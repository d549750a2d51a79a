"""Fuzz every reader: `python tests/soak/fuzz.py OUT [--minutes 60] [--only NAME ...]` writes OUT/fuzz.json.

The rule: any bytes become frames (or rows), or one reason; never another exception, the end of the process, a hang, or more
memory than the ceiling. The minutes are shared by all readers (`tests/fuzz_readers.py`). Each is fuzzed in a process of its own
(`tests/fuzz_child.py`, which needs atheris), so that one that a decoder ends is seen, counted and begun
again. Of what is wrong the file says what and where, never the input; OUT/fuzz keeps that. A reader that the file has already is
not fuzzed again, unless it is named.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz_child import CEILING, OWN_SECONDS, SECONDS, counts
from fuzz_readers import Fuzzed, readers

from medgen.files import read_json, write_json

TESTS = Path(__file__).parents[1]
AT = re.compile(r'File "([^"]+)", line \d+ in (\w+)')


def place_of_death(code: int, log: str) -> str:
    """Return how a process ended and where: the innermost line of Python, and the last one of medgen."""
    how = "hang" if "Timeout (" in log else signal.Signals(-code).name if code < 0 else f"exit {code}"
    stack = AT.findall(log[log.rfind("most recent call first") :])
    own = next((found for found in stack if "/medgen/" in found[0]), None)
    places = [f"{Path(file).parent.name}/{Path(file).name}:{name}" for file, name in [*stack[:1], *([own] if own else [])]]
    return f"{how} in {' < '.join(dict.fromkeys(places)) or 'no Python'}"


def fuzz(name: str, fuzzed: Fuzzed, folder: Path, kept: Path, seconds: float) -> dict[str, Any]:
    """Fuzz one reader and return what was counted."""
    for below in ("seeds", "corpus"):
        (folder / below).mkdir(parents=True)
    fuzzed.seeds(folder / "seeds")
    end, wrong, starts = time.monotonic() + seconds, Counter[str](), 0
    while (left := end - time.monotonic()) >= 1 or not starts:
        (folder / "log").write_text("")
        starts += 1
        command = [sys.executable, str(TESTS / "fuzz_child.py"), name, str(folder), str(max(1, round(left))), str(starts)]
        with (folder / "said").open("w") as said:
            code = subprocess.run(command, stdout=said, stderr=said, check=False).returncode
        if code not in (0, 3):  # 3: noted by the child
            what = place_of_death(code, (folder / "log").read_text(errors="replace"))
            wrong[what] += 1
            _keep(folder / "case" / fuzzed.name, kept, name, what, (folder / "said").read_text(errors="replace")[-3000:])
        if starts > 2 and counts(folder)[0] < starts * 3:  # it does not even begin
            raise SystemExit(f"{name}: {(folder / 'said').read_text(errors='replace')[-3000:]}")
    found = folder / "found.jsonl"
    for line in found.read_text().splitlines() if found.exists() else []:
        noted = json.loads(line)
        if not wrong[noted["what"]]:
            _keep(folder / noted["kept"], kept, name, noted["what"], noted["more"])
        wrong[noted["what"]] += 1
    executions, frames, rejected, slowest, peak = counts(folder).tolist()
    return {
        "seconds": round(seconds), "executions": int(executions), "with_frames": int(frames), "rejected": int(rejected),
        "slowest_case_s": round(slowest, 2), "peak_memory_mb": round(peak), "starts": starts,
        "wrong": [{"what": what, "times": times} for what, times in wrong.most_common()],
    }  # fmt: skip


def _keep(case: Path, kept: Path, name: str, what: str, more: str) -> None:
    """Keep a case beside the results, for whoever mends it; it does not go into the repository."""
    kept.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"\W+", "_", f"{name} {what}")[:100]
    if case.exists() and not (kept / stem).exists():
        (kept / stem).write_bytes(case.read_bytes())
        (kept / f"{stem}.txt").write_text(f"{name}: {what}\n{more}\n")


def main(out: Path, minutes: float, only: list[str]) -> None:
    """Fuzz all readers, or those that are named; they share the minutes."""
    file, every = out / "fuzz.json", dict(readers())
    known = read_json(file) or {"rule": {"seconds": SECONDS, "processor_s": OWN_SECONDS, "memory_mb": CEILING}, "readers": {}}
    for name in only or every:
        if name in known["readers"] and not only:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            known["readers"][name] = fuzz(name, every[name], Path(scratch), out / "fuzz", minutes * 60 / len(only or every))
        write_json(file, known)
        facts = known["readers"][name]
        sys.stdout.write(f"{name}: {facts['executions']} cases, {len(facts['wrong'])} kinds of wrong\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60, help="for all readers together")
    parser.add_argument("--only", action="append", default=[], help="a reader by its name")
    asked = parser.parse_args()
    main(asked.out, asked.minutes, asked.only)
