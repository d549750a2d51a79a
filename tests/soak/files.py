"""Try odd and damaged files: `python tests/soak/files.py OUT [--cuts 60]` writes OUT/files.json.

Files with odd names, what only looks like a file, files with each damage of `tests/odd_files.py`, and of each format as many that
end too early and that have one byte changed, at places spread over all of the file. `prepare` makes frames of a file or gives one
reason; what became of none of the two is lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from odd_files import DAMAGES, FORMATS, NO_FILES, samples_in, seconds, write_damaged, write_odd

from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.files import read_json, write_json

LIMIT = 900  # seconds of one call; nothing may wait for ever


def fates(folder: Path, data: Prepared) -> dict[str, str]:
    """Return what became of each file below a folder: frames, rejected, listed (it was no image) or lost."""
    used = set(data.index["path"].str.replace(r"#\d+$", "", regex=True))
    known = {"frames": used, "rejected": set(data.rejected()["file"]), "listed": set(data.ignored()["file"])}
    names = [_as_text(path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if not path.is_dir()]
    return {name: next((fate for fate, those in known.items() if name in those), "lost") for name in names}


def _as_text(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def counted(became: dict[str, str]) -> dict[str, Any]:
    """Return how many files there were, what became of them, and the names of those that were lost."""
    values = list(became.values())
    lost = [name for name, fate in became.items() if fate == "lost"]
    return {"tried": len(values), **{fate: values.count(fate) for fate in ("frames", "rejected", "listed")}, "lost": lost}


def tried(scratch: Path, write: Any) -> dict[str, Any]:
    """Write files, prepare their folder, and count."""
    write(scratch / "F" / "normal")
    began = time.monotonic()
    with seconds(LIMIT):
        data = prepare(scratch / "F", scratch / "D", PrepareSettings(size=32, overlay="none"))
    return {**counted(fates(scratch / "F", data)), "seconds": round(time.monotonic() - began)}


def write_cuts(folder: Path, samples: dict[str, bytes], cuts: int) -> None:
    """Write of each sample so many files that end too early, and so many of which one byte is turned."""
    write_damaged(folder, {})
    for suffix, content in samples.items():
        for number, place in enumerate(np.linspace(1, len(content) - 1, cuts).astype(int).tolist()):
            (folder / f"cut-{number}{suffix}").write_bytes(content[:place])
            (folder / f"changed-{number}{suffix}").write_bytes(
                content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
            )


def main(out: Path, cuts: int) -> None:
    """Try all kinds, unless the file is there."""
    if read_json(out / "files.json"):
        return
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary, name) for name in ("samples", "odd", "damaged", "cut")]
        for folder in folders:
            folder.mkdir()
        samples = samples_in(folders[0])
        found: dict[str, Any] = {
            "formats": len(FORMATS), "damages": len(DAMAGES), "no_files": len(NO_FILES),
            "odd_names": tried(folders[1], write_odd),
            "damaged": tried(folders[2], lambda folder: write_damaged(folder, samples)),
            "cut_or_changed": tried(folders[3], lambda folder: write_cuts(folder, samples, cuts)),
        }  # fmt: skip
    write_json(out / "files.json", found)
    for kind in ("odd_names", "damaged", "cut_or_changed"):
        facts = found[kind]
        sys.stdout.write(f"{kind}: {facts['tried']} files, {facts['frames']} with frames, {len(facts['lost'])} lost\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--cuts", type=int, default=60, help="of each format; as many are changed")
    asked = parser.parse_args()
    main(asked.out, asked.cuts)
