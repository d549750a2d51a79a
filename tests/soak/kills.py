"""Kill each verb at every place, with real SIGKILLs: `python tests/soak/kills.py OUT [VERB ...]` writes OUT/kills.json.

What a place is stands in `tests/kills.py`. Of each verb: how many kills were tried, after how many the same call went on and left
what an undisturbed one leaves, byte for byte (times aside), and what was wrong with the others. What the file has already stays.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from killed_verbs import killed_verbs, warm_up
from kills import walk

from medgen.files import read_json, write_json
from medgen.verbs import results


def main(out: Path, names: list[str]) -> None:
    """Walk through all verbs, or those that are named."""
    torch.set_num_threads(1)
    results.N_MEASURED = 8  # samples whose distance a report measures
    file = out / "kills.json"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MEDGEN_CACHE"] = f"{scratch}/cache"
        verbs = killed_verbs(Path(scratch, "world"))
        warm_up(verbs, Path(scratch, "warm"))
        for name in names or verbs:
            known = read_json(file)
            if name in known and not names:
                continue
            began = time.monotonic()
            found = walk(verbs[name], Path(scratch, "walk"))
            wrong = [killed._asdict() for killed in found if killed.wrong]
            facts = {
                "tried": len(found),
                "survived": len(found) - len(wrong),
                "seconds": round(time.monotonic() - began),
                "wrong": wrong,
            }
            write_json(file, {**known, name: facts})
            sys.stdout.write(f"{name}: {facts['survived']} of {facts['tried']} kills survived\n")
            sys.stdout.flush()


if __name__ == "__main__":
    from benchmarks.usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), words[1:])
