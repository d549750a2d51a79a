"""Time, memory and size of the page of a comparison on generated scores.

python tests/benchmarks/study_page.py [FRAMES [BACKENDS [SEEDS]]]

Prints as JSON: frames (20,000, every tenth with 255 bytes of name), backends (6) and seeds (1); the seconds that
`write_comparison` takes, the peak memory of the process (making the evidence included), the sizes of what it wrote, and how many
frames the page lists and has pictures of.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from memory_use import peak_megabytes
from studies import make_comparison, make_frames
from usage import arguments

from medgen.report.study.page import write_comparison

SIDE = 128


def main() -> None:
    words = arguments(__doc__)
    frames, backends, seeds = (int(value) for value in (*words, *("20000", "6", "1")[len(words) :]))
    table = make_frames(frames // 2, frames - frames // 2)
    table["path"] = [
        path if place % 10 else f"{path[:-4]}-{'x' * (250 - len(path))}.jpg" for place, path in enumerate(table["path"])
    ]
    skills = {f"backend-{place}": 0.5 + place / 3 for place in range(backends)}
    comparison = make_comparison(frames=table, skills=skills, seeds=seeds, side=SIDE)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        page = write_comparison(comparison, Path(folder))
        taken = time.perf_counter() - begin
        text = page.read_text(encoding="utf-8")
        listed = re.search(r"(\d+) of (\d+) frames are listed.*?(\d+) of them have pictures", text)
        found = {
            "frames": frames,
            "backends": backends,
            "seeds": seeds,
            "seconds": round(taken, 1),
            "peak_memory_mb": round(peak_megabytes()),
            "bytes": {path.name: path.stat().st_size for path in sorted(Path(folder).iterdir())},
            "listed": int(listed[1]) if listed else None,
            "pictures": int(listed[3]) if listed else None,
        }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
