"""The files that a verb has written into a folder of pictures: those of an earlier call go, those of a person stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from shutil import rmtree

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medgen.errors import ConfigError, FolderError
from medgen.files import PICTURE, appending, write_bytes, write_text
from medgen.outputs.folder import check_same
from medgen.outputs.leftovers import remove_dead

INSTEAD = "choose another place, or delete it"
PICTURES = (".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".svg", ".pdf")  # endings that a picture is not written as
KEY = "medgen"  # of the text in a PNG that says what the picture is made of
LIST = ".medgen.files"  # in a folder of pictures: the names of those that medgen wrote, a line each


@contextmanager
def own_files(folder: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield a function that writes a file of this call, by its name below the folder and its content.

    When the block ends well, files that earlier calls, finished or not, have written this way are gone, unless this one wrote
    them again. To know them, each name is listed in the folder before its file is there.

    Raises
    ------
    MedgenError : where the folder cannot be written or the disk is full.
    """
    listed = folder / LIST
    before = dict.fromkeys(listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else ())
    now: dict[str, None] = {}

    def write(name: str, content: bytes) -> None:
        if name not in now and name not in before:
            _note(listed, name)
        now[name] = None
        write_bytes(folder / name, content)

    yield write
    for name in before:
        if name not in now:
            _remove(folder, name)
    if [*now] != [*before]:
        write_text(listed, "".join(f"{name}\n" for name in now))


def write_alone(path: Path, content: bytes) -> None:
    """Write one file into a folder that is anybody's; what a killed call left of it goes first.

    Raises
    ------
    FolderError : if the file is there and holds anything else.
    """
    remove_dead(path.parent, of=path.name)
    if path.exists() and not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
        raise FolderError(f"'{path}' is there, holds something else and is not replaced; {INSTEAD}")
    write_bytes(path, content)


def write_picture(path: Path, png: bytes, of: Mapping[str, str]) -> None:
    """Write one PNG into a folder that is anybody's, with what it is made of in it, as `check_picture` reads it.

    Raises
    ------
    FolderError : if the file is there and is made of something else.
    """
    check_picture(path, of)
    remove_dead(path.parent, of=path.name)
    said, content = PngInfo(), BytesIO()
    said.add_text(KEY, json.dumps(dict(of)))
    with Image.open(BytesIO(png)) as picture:
        picture.save(content, pnginfo=said, **PICTURE)
    write_bytes(path, content.getvalue())


def is_picture(path: Path) -> bool:
    """Tell whether a result named so is one picture, and not a folder.

    Raises
    ------
    ConfigError : if it has the ending of a picture that is not a PNG.
    """
    if path.suffix.lower() in PICTURES:
        raise ConfigError(f"pictures are written as PNG; name '{path.with_suffix('.png').name}' in place of '{path.name}'")
    return path.suffix.lower() == ".png"


def check_picture(path: Path, of: Mapping[str, str]) -> None:
    """Refuse a name that is none of a PNG, and to replace a file, unless it is a picture of the same thing.

    Parameters
    ----------
    of : what the picture is made of (`medgen.runs.made_of`)

    Raises
    ------
    ConfigError : if the name does not end in .png.
    FolderError : if the file is there and is made of something else.
    """
    if not is_picture(path):
        raise ConfigError(f"the picture '{path}' is written as PNG and has no such ending; name '{path.name}.png'")
    if not path.exists():
        return
    before: Mapping[str, str] = {}
    if path.is_file():
        with suppress(OSError, ValueError, KeyError, TypeError), Image.open(path, formats=("PNG",)) as picture:
            before = dict(json.loads(picture.info[KEY]))
    check_same(f"'{path}'", before, of, INSTEAD)


def remove_earlier(folder: Path, *names: str) -> None:
    """Remove files and folders of a call before, whose names are those of a verb's own results."""
    for path in (folder / name for name in names):
        if path.is_dir() and not path.is_symlink():
            rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _note(listed: Path, name: str) -> None:
    with appending(listed) as file:
        file.write(f"{name}\n")


def _remove(folder: Path, name: str) -> None:
    """Remove a file and the folders that are empty without it; what a list names outside of the folder stays."""
    path = folder / name
    root = folder.resolve()
    if root not in (parents := [*(path.parent.resolve() / path.name).parents]):
        return
    with suppress(OSError):
        path.unlink()
        for parent in parents[: parents.index(root)]:
            parent.rmdir()
