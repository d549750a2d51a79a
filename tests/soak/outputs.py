"""Look for planted names in every output: `python tests/soak/outputs.py OUT` writes OUT/outputs.json.

Folders, files and headers name patients (`tests/planted_names.py`); each verb writes something of it. Of each verb: how many
files were searched, with their names, and which hold one of the names, the folder above all, or the name of the computer.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from planted_names import ABOVE, MADE_BY, NAMES, naming, outputs, plant, run_verbs

from medgen.files import read_json, write_json


def main(out: Path) -> None:
    """Write what each verb writes and search it, unless the file is there."""
    if read_json(out / "outputs.json"):
        return
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["MEDGEN_CACHE"] = f"{temporary}/cache"
        root = Path(temporary, ABOVE)
        root.mkdir()
        plant(root)
        with chdir(root):
            run_verbs(root)
        found = searched(root)
    write_json(out / "outputs.json", found)
    for verb, facts in found["verbs"].items():
        sys.stdout.write(f"{verb}: {facts['files']} files, {len(facts['naming'])} with a name\n")


def searched(root: Path) -> dict[str, Any]:
    """Return of each verb how many files it wrote, and the folder and ending of those that hold a name."""
    verbs: dict[str, dict[str, Any]] = {verb: {"files": 0, "megabytes": 0.0, "naming": []} for verb in MADE_BY.values()}
    for path in filter(Path.is_file, outputs(root)):
        facts = verbs[MADE_BY[path.relative_to(root).parts[0]]]
        facts["files"] += 1
        facts["megabytes"] = round(facts["megabytes"] + path.stat().st_size / 1e6, 3)
    for number, paths in enumerate(naming(root, *NAMES, ABOVE)):
        for path in paths:
            shown = path.relative_to(root).parts
            verbs[MADE_BY[shown[0]]]["naming"].append(f"name {number} in {shown[0]}/...{path.suffix}")
    for path in outputs(root):
        if f".{socket.gethostname()}." in path.name:
            verbs[MADE_BY[path.relative_to(root).parts[0]]]["naming"].append("the computer in the name of a file")
    return {"planted": len(NAMES) + 2, "verbs": verbs}


if __name__ == "__main__":
    from benchmarks.usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]))
