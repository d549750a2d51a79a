"""A folder that names patients everywhere, what each verb makes of it, and which of these files hold a name.

`tests/test_privacy.py` and `tests/soak/outputs.py` use it.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64decode
from pathlib import Path

from commands import SMALL_VAE, succeed
from sources import frame
from writers import save, smooth, write_dicom

NAMES = ("Meier", "1970-05-17", "K4711")  # in names of files and folders, and in headers
BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
ABOVE = "dr_huber_private"  # a folder above everything
MADE_BY = {  # the verb that wrote each folder
    "D": "prepare", "runs": "train", "page": "report", "S": "score", "M": "maps", "C": "reconstruct", "A": "audit",
    "STUDY": "compare",
}  # fmt: skip


def plant(root: Path) -> None:
    """Write frames whose files and folders name patients, a damaged one and a text, and a DICOM file whose header does."""
    for k in range(40):
        finding, patient = ("polyp", k - 24) if k >= 24 else ("normal", k)
        (root / "F" / finding / f"patient Meier{patient % 9}").mkdir(parents=True, exist_ok=True)
        save(root / "F" / finding / f"patient Meier{patient % 9}" / f"Meier{patient}_1970-05-17.png", frame(40, seed=k))
    (root / "F" / "normal" / "patient Meier1" / "broken K4711.png").write_bytes(b"no image")
    (root / "F" / "normal" / "notes of K4711.txt").write_text("Meier")
    header = {"PatientName": "Meier", "PatientID": "K4711", "PatientBirthDate": "19700517"}
    write_dicom(root / "F" / "normal" / "K4711.dcm", smooth(), "MONOCHROME2", **header)


def run_verbs(root: Path) -> None:
    """Make something of the planted folder with each verb, from the root as the working folder."""
    options = ("--size", 32, "--overlay", "none", "--pseudonymise", root / "K" / "key.json")
    succeed("prepare", root / "F", "--out", root / "D", *options)
    for name in ("R", "R2"):
        succeed("train", "vae", root / "D", "--out", root / "runs" / name, *SMALL_VAE, "--set", f"train.seed={len(name)}")
    succeed("report", root / "runs" / "R", "--out", root / "page")
    succeed("score", root / "runs" / "R", root / "D", "--out", root / "S")
    succeed("maps", root / "runs" / "R", root / "D", "--out", root / "M")
    succeed("reconstruct", root / "runs" / "R", root / "D", "--out", root / "C")
    succeed("audit", root / "D", "--out", root / "A", "--run", root / "runs" / "R")
    succeed("compare", root / "runs" / "R", root / "runs" / "R2", "--out", root / "STUDY")


def outputs(root: Path) -> list[Path]:
    """Return all that the verbs wrote, folders among them."""
    return [path for name in MADE_BY for path in sorted((root / name).rglob("*"))]


def content(path: Path) -> bytes:
    """Return the bytes of a file as whoever opens it sees them.

    Pictures in pages are read as the bytes that they are: in millions of letters of base64 a short name stands by chance.
    """
    held = path.read_bytes() if path.is_file() else b""
    held = gzip.decompress(held) if path.suffix == ".gz" else held
    before, *behind = held.split(b";base64,")
    return b";base64,".join([before, *map(_decoded, behind)])


def _decoded(text: bytes) -> bytes:
    """Return a text that begins with base64 with the bytes that this stands for in its place."""
    found = BASE64.match(text)
    assert found
    letters = found[0][: len(found[0]) - (len(found[0]) % 4 == 1)]
    return b64decode(letters + b"=" * (-len(letters) % 4)) + text[len(letters) :].lstrip(b"=")


def naming(root: Path, *names: str) -> list[list[Path]]:
    """Return, for each name, the outputs that hold it, in their own names or in their content."""
    paths = outputs(root)
    held = [path.relative_to(root).as_posix().encode() + b"\n" + content(path) for path in paths]
    return [[path for path, text in zip(paths, held, strict=True) if name.encode() in text] for name in names]
