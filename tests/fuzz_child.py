"""The process in which one reader is fuzzed, begun by `tests/soak/fuzz.py`.

python tests/fuzz_child.py READER FOLDER SECONDS SEED

Atheris changes bytes and keeps what reaches new lines of medgen and of the reader's library in Python. Each case is written to a
file and read. Frames or rows, or a MedgenError with a reason, are right; anything else is noted in FOLDER/found.jsonl, and the
next case is tried. A case that takes too long or too much memory ends the process. What was counted is in a mapped file, which
outlives that.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 60  # by the clock, after which a case hangs: on a busy machine it may wait for others
OWN_SECONDS = 20  # of the processor, of one case
CEILING = 3072  # MB of resident memory
SPACE = 6144  # MB of addresses, so that a case that asks for more is refused by the system before it harms the machine
COUNTS = ("executions", "frames", "rejected", "slowest", "peak")
PILLOW = "PIL"
LIBRARIES = {  # whose lines count besides those of medgen; to count in all of them would take half a minute at each start
    "DICOM": "pydicom", "TIFF": "tifffile", "NIfTI": "nibabel", "FreeSurfer": "nibabel", "recipe": "tomllib", "study": "tomllib",
}  # fmt: skip


def counts(folder: Path) -> np.memmap:
    """Return the numbers of `COUNTS`: files read, those with frames, those with a reason, seconds of the slowest, peak in MB."""
    path = folder / "counts"
    return np.memmap(path, np.float64, "r+" if path.exists() else "w+", shape=(len(COUNTS),))


def place_of(error: BaseException) -> str:
    """Return what came and where: the exception, the last line of medgen and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((frame for frame in reversed(frames) if "/medgen/" in frame.filename), None)
    places = [f"{Path(frame.filename).name}:{frame.name}" for frame in (own, frames[-1] if frames else None) if frame]
    return f"{type(error).__name__} in {' > '.join(dict.fromkeys(places))}"


def resident(name: str) -> int:
    """Return megabytes that Linux counts of this process: VmHWM is the most so far."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith(name))


def asked_for_too_much(error: BaseException | None) -> bool:
    """Tell whether the reason of a reason is that there was no memory."""
    while error is not None:
        if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "nsufficient memory" in str(error):
            return True
        error = error.__cause__
    return False


@contextmanager
def in_silence() -> Iterator[None]:
    """Let decoders in C say what they like to nobody, as a log of millions of cases would fill the disk."""
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    yield


class Case:
    """Reads one case after the other and counts what becomes of them."""

    def __init__(self, fuzzed: Any, folder: Path) -> None:
        self.fuzzed, self.folder = fuzzed, folder
        self.counts = counts(folder)
        (folder / "case").mkdir(exist_ok=True)
        self.path = folder / "case" / fuzzed.name
        self.log = (folder / "log").open("a")

    def __call__(self, content: bytes) -> None:
        from medgen.errors import MedgenError

        self.path.write_bytes(self.fuzzed.written(content))
        self.counts[0] += 1
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=self.log)
        began = time.process_time()
        try:
            self.counts[1] += self.fuzzed.read(self.path) > 0
        except MedgenError as error:
            self.counts[2] += 1
            if not str(error).strip():
                self.note(f"no reason: {place_of(error)}")
            elif asked_for_too_much(error):
                self.note(f"memory: {place_of(error.__cause__ or error)}")
        except BaseException as error:
            self.note(place_of(error), str(error)[:200])
        faulthandler.cancel_dump_traceback_later()
        self.look(time.process_time() - began)

    def look(self, seconds: float) -> None:
        """Look at what a case took."""
        self.counts[3] = max(self.counts[3], seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        self.counts[4] = max(self.counts[4], peak)
        if seconds > OWN_SECONDS:
            self.note("slow", f"{seconds:.0f} s of the processor")
        if peak > CEILING:  # the mark of this process stays where it is: another one goes on
            self.note("memory", f"{peak} MB")
            sys.stdout.flush()
            os._exit(3)

    def note(self, what: str, more: str = "") -> None:
        """Note what was wrong, and keep the case beside the log, where whoever mends it finds it."""
        kept = self.folder / f"wrong-{abs(hash(what)):x}"
        if not kept.exists():
            kept.write_bytes(self.path.read_bytes())
        with (self.folder / "found.jsonl").open("a") as file:
            file.write(json.dumps({"what": what, "more": more, "kept": kept.name}) + "\n")


def main(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz one reader for so long."""
    import atheris

    with atheris.instrument_imports(include=["medgen", LIBRARIES.get(name, PILLOW)], enable_loader_override=False):
        from fuzz_readers import readers
    resource.setrlimit(resource.RLIMIT_AS, (SPACE << 20, SPACE << 20))
    case = Case(dict(readers())[name], folder)
    for seeded in sorted((folder / "seeds").iterdir()):  # imports what reading needs, and shows that the seeds are valid
        case(seeded.read_bytes())
    faulthandler.enable(case.log)
    options = ["-max_len=8192", "-rss_limit_mb=0", f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", str(folder / "corpus"), str(folder / "seeds")], case)
    with in_silence():
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
