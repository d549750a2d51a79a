"""Load a service and send it what it does not expect: `python tests/soak/service.py OUT [SECONDS]` writes OUT/service.json.

`medgen serve` answers for an EndoVAE of 96 pixels in a process of its own. Of each kind of request so many clients ask, each one
request after the other, for SECONDS (60): how long an answer takes, how many come in a second, what the process grew to. Then
Schemathesis makes requests of the OpenAPI description, right and wrong ones, for as long; a failure is a status or an answer that
the description does not name, or one of the 500s. What is measured already stays.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.usage import arguments

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.files import read_json, write_json

CEILING = 800  # MB: 500 for Python, PyTorch and the run, and 75 for each place, whatever is sent
QUEUE, TOO_MANY = 4, 12  # places for requests, and clients that are more than there are places
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def make_run(root: Path) -> tuple[Path, list[bytes]]:
    """Train a run for an epoch; return it, and frames that it has not seen."""
    sizes = PhantomSettings(train=32, val=24, test_normal=8, test_abnormal=8, width=576, height=520)
    frames = make_phantom(root / "frames", sizes)
    data = api.prepare(frames, root / "data", PrepareSettings(size=96)).folder
    api.train(data, root / "run", api.recipe("endovae", None, ["train.epochs=1", "train.panel_epochs=0"]))
    return root / "run", [path.read_bytes() for path in sorted(frames.rglob("*.jpg"))[:8]]


@contextmanager
def served(run: Path) -> Iterator[tuple[str, int]]:
    """Run the service; yields its address and the number of its process, which a signal ends."""
    start = "import sys; from medgen_cli.main import main; main(sys.argv[1:])"
    options = ["--port", "0", "--json", "--quiet", "--queue", str(QUEUE)]
    with subprocess.Popen(
        [sys.executable, "-c", start, "serve", str(run), *options], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while "}" not in text:
            line = process.stdout.readline()
            assert line, "the service did not start"
            text += line
        try:
            yield json.loads(text)["address"], process.pid
        finally:
            process.terminate()
            assert process.wait(60) == 0, "the service did not end cleanly"


def memory(process: int, kind: str) -> int:
    """Return the resident memory of a process in MB: "VmRSS" now, "VmHWM" at its peak."""
    found = re.search(rf"{kind}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert found
    return round(int(found[1]) / 1024)


def load(address: str, process: int, path: str, bodies: list[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """Let clients ask, and return what they met."""
    took: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds

    def ask(first: int) -> None:
        with httpx.Client(timeout=120) as client:
            number = first
            while time.monotonic() < end:
                begun = time.monotonic()
                status = client.post(f"{address}{path}", content=bodies[number % len(bodies)]).status_code
                statuses[status] += 1
                if status == 200:
                    took.append(time.monotonic() - begun)
                else:
                    time.sleep(0.05)
                number += 1

    before = memory(process, "VmRSS")
    threads = [threading.Thread(target=ask, args=(k,)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p95 = (round(1000 * float(np.percentile(took, share)), 1) for share in (50, 95))
    known = {"clients": clients, "seconds": seconds, "answered": len(took), "per_second": round(len(took) / seconds, 1)}
    others = {str(status): count for status, count in sorted(statuses.items()) if status != 200}
    grew = {"before_mb": before, "after_mb": memory(process, "VmRSS"), "peak_mb": memory(process, "VmHWM")}
    return {**known, "p50_ms": p50, "p95_ms": p95, "others": others, **grew}


def unexpected(address: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Let Schemathesis ask, and return how many cases it made and how many failed; what it keeps lies in the folder."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "run", f"{address}/openapi.json", "--checks", CHECKS, "--max-time", str(round(seconds)), "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    counted = re.search(r"(\d+) generated", done.stdout)
    failed = re.search(r"(\d+) (?:unique )?failures?", done.stdout)
    if done.returncode:
        sys.stderr.write(done.stdout)  # says how to ask again
    cases = int(counted[1]) if counted else 0
    return {"cases": cases, "failures": int(failed[1]) if failed else int(done.returncode != 0)}


def main(out: Path, seconds: float = 60.0) -> None:
    """Measure, unless the file is there."""
    if read_json(out / "service.json"):
        return
    with tempfile.TemporaryDirectory() as folder:
        run, frames = make_run(Path(folder))
        buffer = BytesIO()
        with ZipFile(buffer, "w") as archive:
            for number, frame in enumerate(frames):
                archive.writestr(f"{number}.jpg", frame)
        with served(run) as (address, process):
            asked = {
                "scores, one client": ("/runs/run/score", frames, 1),
                "scores, as many clients as places": ("/runs/run/score", frames, QUEUE),
                "scores, more clients than places": ("/runs/run/score", frames, TOO_MANY),
                "overlays": ("/runs/run/map?form=overlay", frames, QUEUE),
                "zips of 8 frames": ("/runs/run/score", [buffer.getvalue()], QUEUE),
            }
            found: dict[str, Any] = {"load": {name: load(address, process, *given, seconds) for name, given in asked.items()}}
            found["unexpected"] = unexpected(address, seconds, Path(folder))
            found["ceiling_mb"] = CEILING
            found["peak_mb"] = memory(process, "VmHWM")
    write_json(out / "service.json", found)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    folder, *rest = arguments(__doc__)
    main(Path(folder), *map(float, rest))
