"""How the memory of preparing grows with the number of frames, and how long an interrupted run takes to go on.

python tests/benchmarks/prepare_memory.py [FEW [MANY]]

Generated JPEG files of 48 x 48 pixels, FEW (2,000) of them and MANY (20,000), are prepared at 32 pixels by two workers. The
process is stopped before the last files, and a second one goes on. Prints as JSON for each number of frames: the peak of resident
memory of each process in megabytes; the seconds, of the clock and of the processor, from the call to its first new frame; and the
bytes a frame by which the higher of the two peaks grows from FEW to MANY.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from memory import SIZE, write_frames
from memory_use import peak_megabytes
from usage import arguments

from medgen import api
from medgen.data.prepared import PrepareSettings
from medgen.types import Progress

BEFORE = 64  # files at the end that the first process leaves


def prepare(frames: Path, out: Path, stop: bool) -> dict[str, float]:
    """Prepare in this process, as far as it goes, and return what it took."""
    wall, processor = time.perf_counter(), time.process_time()
    waited: dict[str, float] = {}

    def look(progress: Progress) -> None:
        if progress.values.get("frames") and not waited:
            waited["seconds_to_first"] = round(time.perf_counter() - wall, 2)
            waited["processor_seconds_to_first"] = round(time.process_time() - processor, 2)
        if stop and progress.done >= progress.total - BEFORE:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        api.prepare(frames, out, PrepareSettings(size=SIZE, assume="normal"), workers=2, on_progress=look)
    return {"peak_memory_mb": round(peak_megabytes(), 1), **waited}


def apart(*arguments: str) -> dict[str, float]:
    """Prepare in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(counts: tuple[int, int]) -> None:
    result: dict[str, Any] = {}
    peaks = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in counts:
            frames, out = write_frames(Path(temporary) / f"frames{count}", count), Path(temporary) / f"{count}"
            first, then = (apart(verb, str(frames), str(out)) for verb in ("begin", "go-on"))
            result[str(count)] = {"begun": first, "gone_on": then}
            peaks.append(max(first["peak_memory_mb"], then["peak_memory_mb"]))
    result["bytes_a_frame"] = round((peaks[1] - peaks[0]) * 2**20 / (counts[1] - counts[0]))
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] in (["begin"], ["go-on"]):
        sys.stdout.write(json.dumps(prepare(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[1] == "begin")) + "\n")
    else:
        numbers = [int(number) for number in arguments(__doc__)]
        few, many = numbers + [2000, 20_000][len(numbers) :]
        main((few, many))
