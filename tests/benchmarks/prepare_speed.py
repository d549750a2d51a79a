"""Speed of `prepare` against a plain script with OpenCV: seconds a frame, start-up aside.

python tests/benchmarks/prepare_speed.py HYPERKVASIR [ROUNDS]

HYPERKVASIR: a folder with the frames and their manifest.csv. Three sets: the frames as they are (about 630 x 530), and frames
of 1920 x 1080 and 3840 x 2160 with dark sides, made of them. The plain script decodes each file whole, finds its largest
contour by Otsu's threshold, crops it to a square and resizes that to 96 x 96. medgen has one worker and does all that it does:
digests, groups, splits, near-duplicates, valid pixels, index. The cost of a frame is the slope between a small and a large
folder, of which the small one has more than the 64 files that medgen looks at first to learn what holds for the whole set.
Besides: how much faster two workers are, by the wall clock. Prints as JSON the ratios of each set with their spread.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from timing import Took, print_result, ratios, timed

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import prepare

SIZE = 96
SETS = {  # size, files of the small and of the large folder
    "as they are": (None, 100, 600),
    "1920 x 1080": ((1920, 1080), 70, 190),
    "3840 x 2160": ((3840, 2160), 70, 110),
}


def plain(path: Path) -> NDArray[np.uint8]:
    """Return (SIZE, SIZE, 3) of one file as a script of a dozen lines makes it."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    mask = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    left, top, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    side = min(width, height)
    left, top = left + (width - side) // 2, top + (height - side) // 2
    return cv2.resize(pixels[top : top + side, left : left + side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def large(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a frame enlarged to the height of `size`, (width, height), with sensor noise and black sides."""
    width, height = size
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    across = round(pixels.shape[1] * height / pixels.shape[0])
    enlarged = cv2.resize(pixels, (across, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    enlarged += np.random.default_rng(0).normal(0, 2, enlarged.shape).astype(np.int16)
    side = (width - across) // 2
    return cv2.copyMakeBorder(
        enlarged.clip(0, 255).astype(np.uint8), 0, 0, side, width - across - side, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )


def make(folder: Path, paths: list[Path], size: tuple[int, int] | None) -> Path:
    """Write frames of a size into a folder; without a size they are copied."""
    folder.mkdir(parents=True)
    for number, path in enumerate(paths):
        target = folder / f"{number:05}.jpg"
        if size is None:
            shutil.copy(path, target)
        else:
            cv2.imwrite(str(target), large(path, size), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return folder


def slope(work: Callable[[Path], object], few: Path, many: Path) -> Took:
    """Return what `work` takes for each frame of `many` that `few` lacks."""
    counts = [len(list(folder.iterdir())) for folder in (few, many)]
    took = [timed(lambda folder=folder: work(folder)) for folder in (few, many)]  # type: ignore[misc]
    more = counts[1] - counts[0]
    return Took((took[1].wall - took[0].wall) / more, (took[1].processor - took[0].processor) / more)


def prepared(folder: Path, workers: int) -> None:
    with tempfile.TemporaryDirectory() as out:
        prepare(folder, Path(out) / "data", PrepareSettings(size=SIZE), workers=workers)


def main(source: Path, rounds: int) -> None:
    cv2.setNumThreads(1)
    with (source / "manifest.csv").open() as file:
        paths = [source / row["file"] for row in csv.DictReader(file)]
    result = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, (size, few, many) in SETS.items():
            folders = [make(Path(temporary) / name / str(count), paths[:count], size) for count in (few, many)]
            works: dict[str, Callable[[Path], object]] = {
                "medgen": lambda folder: prepared(folder, 1),
                "plain": lambda folder: [plain(path) for path in sorted(folder.iterdir())],
                "two workers": lambda folder: prepared(folder, 2),
            }
            took: dict[str, list[Took]] = {work: [] for work in works}
            prepared(folders[0], 1)  # imports
            for _ in range(rounds):
                for work, run in works.items():
                    took[work].append(slope(run, *folders))
            result[name] = {
                "plain, ms a frame": [round(1000 * each.wall, 2) for each in took["plain"]],
                "medgen, ms a frame": [round(1000 * each.wall, 2) for each in took["medgen"]],
                "ratio": ratios(took["medgen"], took["plain"]),
                "two workers against one": ratios(took["two workers"], took["medgen"])["wall"],
            }
    print_result(result)


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), int(words[1]) if len(words) > 1 else 3)
