"""Make MNIST-M: the digits of MNIST over patches of colour photographs, the target domain of many papers on domain adaptation.

The folder of MNIST and one of photographs come in, a prepared data set goes out.

Source: Ganin and Lempitsky 2015, "Unsupervised Domain Adaptation by Backpropagation", https://arxiv.org/abs/1409.7495,
section 4.1: in each channel a pixel is the absolute difference of digit and patch, and the patch is cut at random from a
photograph of BSDS500. The authors do not say which patch each digit has, so this is a set made by their recipe, not a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgen import __version__
from medgen.config import to_toml
from medgen.data.contents import frame_digests, side_tables, table_digest, with_contents
from medgen.data.images import read_image, suffix_of
from medgen.data.native.addresses import open_dataset
from medgen.data.native.resized import ResizedFrames
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import Prepared, is_prepared, open_prepared, read_table
from medgen.data.storage.rows import Frames
from medgen.data.tree.walk import walk
from medgen.errors import DataError, ImageError
from medgen.files import new_array, replacing, short_digest, write_csv, write_text
from medgen.outputs.folder import output_folder
from medgen.types import OnProgress, Progress, no_progress

SUFFIXES = (".jpg", ".jpeg", ".png")
CHUNK = 1000  # digits that are blended at once


def make_mnist_m(
    mnist: Path, bsds: Path, out: Path, size: int = 28, seed: int = 0, on_progress: OnProgress = no_progress
) -> Prepared:
    """Write MNIST-M to `out` as a prepared data set, and open it.

    Row k is digit k of ``mnist:MNIST``, with its finding, its split and its name. All splits draw from the same photographs,
    though hardly ever the same patch: the training photographs of BSDS500 alone are enough.

    Parameters
    ----------
    mnist : folder with the four idx files
    bsds : folder with photographs, JPEG or PNG, in it or below
    out : folder to write; one that holds this very data set already is opened as it is
    size : side in pixels to which the blended frames are resized; 28 leaves them as they are
    seed : of the random choice of patches
    on_progress : called after every block of digits

    Returns
    -------
    The prepared data set, frames (N, size, size, 3).

    Raises
    ------
    DataError : if digits or photographs are missing, damaged or too small, or `out` holds another data set.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> api.make_mnist_m(MNIST, PHOTOGRAPHS, OUT / "mnist-m").frames.shape
    (9, 28, 28, 3)
    """
    digits = open_dataset(f"mnist:{mnist}")
    paths = _find(bsds)
    sizes = [(path.relative_to(bsds).as_posix(), path.stat().st_size) for path in paths]
    key = short_digest(f"mnist-m {digits.digest} {size} {seed}", repr(sizes))
    with output_folder(out, "prepare", ("prepare.toml", "frames.npy")):
        if is_prepared(out):
            if (existing := open_prepared(out)).digest == key:
                return existing
            raise DataError(f"'{out}' holds a data set of other digits, photographs, size or seed; choose another --out")
        photographs = [_read(path, digits.size) for path in paths]
        with replacing(out / "frames.npy") as temporary:
            shape = (len(digits.frames), size, size, 3)
            frames = new_array(temporary, np.uint8, shape)
            _blend(digits.frames, photographs, seed, frames, on_progress)
            frames.flush()
        with replacing(out / "valid.npy") as temporary, temporary.open("wb") as file:
            np.save(file, np.ones(shape[:3], dtype=bool))
        about = {"source": f"mnist-m of {mnist.name} and {bsds.name}", "digest": key, "medgen": __version__, "patch_seed": seed}
        _describe(out, digits, size, {**about, "photographs": len(photographs)})
        return open_prepared(out)


def _find(folder: Path) -> list[Path]:
    """Return the photographs in a folder or below, in the order of their names."""
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'; expected the colour photographs of BSDS500 in it")
    paths = [path for path in walk(folder) if suffix_of(path) in SUFFIXES and path.is_file()]
    if not paths:
        raise DataError(f"'{folder}' holds no photograph ({', '.join(SUFFIXES)}); expected those of BSDS500 in it or below")
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _read(path: Path, side: int) -> NDArray[np.uint8]:
    """Return a photograph, (H, W, 3), that a patch of `side` pixels can be cut from."""
    try:
        pixels = to_uint8(read_image(path).pixels)
    except ImageError as error:
        raise DataError(f"the photograph '{path}' cannot be read ({error}); fetch it again or take it away") from None
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise DataError(f"the photograph '{path}' is {width} x {height}; expected {side} pixels or more each way: take it away")
    return np.broadcast_to(pixels, (height, width, 3))  # (H, W, 1) -> (H, W, 3)


def _blend(
    digits: Frames, photographs: Sequence[NDArray[np.uint8]], seed: int, frames: NDArray[np.uint8], on_progress: OnProgress
) -> None:
    """Fill `frames` (N, s, s, 3) with digits (N, S, S, 1) over patches: both photograph and position are drawn at random."""
    generator, (count, side) = np.random.default_rng(seed), digits.shape[:2]
    chosen = generator.integers(len(photographs), size=count)  # (N,)
    positions = np.array([photograph.shape[:2] for photograph in photographs])[chosen] - side + 1  # (N, 2) down, across
    corners = generator.integers(positions)  # (N, 2)
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        patches = np.stack(
            [
                photographs[chosen[row]][top : top + side, left : left + side]
                for row, (top, left) in enumerate(corners[start:stop], start)
            ]
        )  # (n, S, S, 3)
        blended = np.abs(patches.astype(np.int16) - digits[np.arange(start, stop)]).astype(np.uint8)  # (n, S, S, 3)
        frames[start:stop] = ResizedFrames(blended, resize_to=frames.shape[1])[:]
        on_progress(Progress("mnist-m", stop, count))


def _describe(out: Path, digits: Prepared, size: int, about: Mapping[str, object]) -> None:
    """Write the tables, then the settings: those of the digits, but in colour. The settings come last: they mark it as whole."""
    arrays = [np.load(out / f"{name}.npy", mmap_mode="r") for name in ("frames", "valid")]
    index = with_contents(digits.index, frame_digests(digits.index, arrays))
    for name, table in (("leaks", digits.leaks()), ("rejected", digits.rejected()), ("index", index)):
        write_csv(out / f"{name}.csv", table)
    settings = {**digits.settings.model_dump(mode="json"), "channels": 3, "size": size}
    counts = {"frames": len(digits.index), "copies": 0, "rejected": 0}
    digests = {"table": table_digest(read_table(out / "index.csv")), "tables": side_tables(out)}
    known = {**about, **digests, "counts": counts, "settings": settings}
    write_text(out / "prepare.toml", to_toml(known))
