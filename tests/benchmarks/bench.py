"""Every speed that reports/benchmarks states, measured again: medgen and its rivals in turn.

python tests/benchmarks/bench.py OUT [NAME ...]    # all rows, or those named

Prepares HyperKvasir (../shared/data/hyperkvasir), trains the two runs that are scored, and runs the script of each row. What a
script prints is kept as OUT/NAME.json, the machine's description as OUT/machine.json, how long each row took as OUT/took.json; a
row that is there already is not measured again. Ends with a table of the ratios and exponents, and with exit status 1 if a script
failed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
FRAMES = HERE.parents[2] / "shared" / "data" / "hyperkvasir"
FRAME = FRAMES / "normal-cecum" / "000e3fee-7f5c-4819-9f9c-4c983b68888a.jpg"
PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow")


class Row(NamedTuple):
    """A script, its arguments, and the runs that it needs; OUT stands for the folder."""

    script: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


ROWS = {
    "prepare": Row("prepare_speed.py", (str(FRAMES),)),
    "duplicates": Row("duplicates.py", ("10000", "100000")),
    "scoring-endovae": Row("endovae_scoring.py", ("OUT/endovae", "OUT/data96"), ("endovae",)),
    "scoring-dfm": Row("dfm_scoring.py", ("OUT/dfm", "OUT/data448"), ("dfm",)),
    "scoring-raw": Row("raw_scoring.py", (str(FRAMES), "OUT/endovae", "OUT/data96"), ("endovae",)),
    "memory": Row("memory.py"),
    "memory-prepare": Row("prepare_memory.py"),
    "training": Row("training_overhead.py"),
    "training-rivals": Row("training_rivals.py", ("OUT/data96",), ("endovae",)),
    "start-up": Row("start_up.py", ("OUT/endovae", "OUT/data96", str(FRAME)), ("endovae",)),
    "compare": Row("compare_start.py", ("OUT/data96",), ("endovae",)),
    "costs": Row("costs.py"),
    "detection": Row("detection_speed.py"),
    "view": Row("view_frames.py"),
}
RUNS = {
    "endovae": (("prepare", str(FRAMES), "--out", "OUT/data96"), ("OUT/data96", ("--set", "train.epochs=2"))),
    "dfm": (("prepare", str(FRAMES), "--out", "OUT/data448", "--size", "448"), ("OUT/data448", ())),
}


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: the processor, its cores, Python, and the versions of what computes."""
    known = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return {
        "processor": known[0] if known else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("medgen", *PACKAGES)},
    }


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def provide(out: Path, name: str) -> None:
    """Prepare the data set of a run and train it, unless it is there: few epochs do, as speed does not depend on the weights."""
    if (out / name).exists():
        return
    preparing, (data, options) = RUNS[name]
    training = (
        "train",
        name,
        data,
        "--out",
        f"OUT/{name}",
        "--config",
        str(HERE.parents[1] / f"configs/{name}-hyperkvasir.toml"),
    )
    for command in (preparing, (*training, *options)):
        words = [word.replace("OUT", str(out)) for word in command]
        subprocess.run(["medgen", *words], check=True, stdout=subprocess.DEVNULL)


def measure(out: Path, name: str) -> bool:
    """Run the script of a row and keep what it prints; return whether it went well."""
    row, kept = ROWS[name], out / f"{name}.json"
    if kept.exists():
        return True
    began = time.monotonic()
    for run in row.needs:
        provide(out, run)
    arguments = [argument.replace("OUT", str(out)) for argument in row.arguments]
    done = subprocess.run([sys.executable, str(HERE / row.script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{name}: {done.stderr.strip().splitlines()[-1:] or done.returncode}\n")
        return False
    sys.stderr.write("".join(f"{name}: {line}\n" for line in done.stderr.splitlines() if "left out" in line))
    kept.write_text(done.stdout, encoding="utf-8")
    note_seconds(out / "took.json", name, time.monotonic() - began)
    return True


def note_seconds(path: Path, name: str, seconds: float) -> None:
    """Note how long a row took, what it needed included."""
    took = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(took | {name: round(seconds)}, indent=1) + "\n", encoding="utf-8")


def shown(found: Any, path: str = "") -> list[str]:
    """Return a line for each ratio in what a script printed: its name, median, low and high; and for each exponent."""
    if not isinstance(found, dict):
        return []
    if {"median", "low", "high"} <= found.keys():
        return [f"{path:60} {found['median']:8.3f}  ({found['low']:.3f} to {found['high']:.3f})"]
    if "exponent" in found:
        return [f"{path:60} {found['exponent']:8.3f}  (exponent, standard error {found['standard_error']:.3f})"]
    return [line for key, value in found.items() for line in shown(value, f"{path} {key}".strip())]


def main(out: Path, names: list[str]) -> int:
    out.mkdir(parents=True, exist_ok=True)
    (out / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n", encoding="utf-8")
    failed = [name for name in names or ROWS if not measure(out, name)]
    for name in names or ROWS:
        if name not in failed:
            lines = shown(json.loads((out / f"{name}.json").read_text(encoding="utf-8")), name)
            sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    sys.exit(main(Path(words[0]).resolve(), words[1:]))
