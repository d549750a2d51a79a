"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from traceback import StackSummary
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # the process that hands the tests out to others reads this file first, and needs none of these
    import numpy as np
    from matplotlib.figure import Figure

    from medgen.engine.device import Device
    from medgen.nn.features.extractors import Extractor

sys.dont_write_bytecode = False  # what is compiled is kept, for the next call and for each Python that a test starts,
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # which would compile all of medgen again: half of its start
EXAMPLES = 200  # damaged files that the suite gives to each reader of files: half a minute with all other cases that are drawn
SPARED: tuple[Path, int] = Path(), 0  # the file of tests, and how many modules there were, when it was last spared what there was
FRESH: dict[np.random.Generator, dict[str, Any]] = {}  # the state of each generator of a module of tests after its import


def pytest_sessionstart(session: pytest.Session) -> None:
    """Settle, in a process that runs tests, what holds for all of them."""
    if session.config.getoption("numprocesses", None):
        return
    gc.disable()  # what is imported and collected stays: to look through it again and again takes a quarter of that time
    import torch
    from hypothesis import HealthCheck, settings

    torch.set_num_threads(1)  # tiny models are faster so, and busy machines are not slowed to a crawl by waiting threads
    settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("files", settings.get_profile("any machine"), max_examples=EXAMPLES, database=None)
    settings.load_profile("any machine")  # the same examples each time, however long they take


def spare_the_collector(file: Path = Path()) -> None:
    """Let the garbage collector pass over what there is before a file of tests, and what was imported since, a few modules aside.

    Each training begins with a search of all that there is, and one through all modules takes a tenth of a second or more.
    """
    global SPARED
    if file != SPARED[0] or len(sys.modules) > SPARED[1] + 50:
        SPARED = file, len(sys.modules)
        gc.collect()
        gc.freeze()


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported and collected."""
    gc.enable()
    spare_the_collector()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let each test, and the fixtures that it sets up, draw the same numbers whichever tests ran before."""
    import numpy as np
    import torch

    spare_the_collector(item.path)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    for value in vars(item.getparent(pytest.Module).obj).values():  # type: ignore[union-attr]
        if isinstance(value, np.random.Generator):
            value.bit_generator.state = FRESH.setdefault(value, deepcopy(value.bit_generator.state))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MEDGEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "hyperkvasir" / "manifest.csv").is_file():
        pytest.skip(f"real frames are not at {folder}; name their folder in MEDGEN_TEST_DATA")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _quick_png() -> Iterator[None]:
    """Let PNG be packed fast rather than small: their pixels are the same."""
    from PIL import Image

    Image.preinit()
    save = Image.SAVE["PNG"]

    def quick(image: Image.Image, file: Any, name: str | bytes, **more: Any) -> None:
        image.encoderinfo.setdefault("compress_level", 1)
        save(image, file, name, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Image.SAVE, "PNG", quick)
        yield


@pytest.fixture(autouse=True, scope="session")
def _small_reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let reports measure little, in one pass, with a net that is loaded once and sees little, and spare the user's cache."""
    from medgen.nn.features.extractors import EFFICIENTNET
    from medgen.verbs import distance

    load = distance._load_extractor

    @cache
    def load_small(device: Device) -> Extractor:
        extractor = load(EFFICIENTNET, device)
        extractor.net.side = 64  # pixels: a thirteenth of the work
        return extractor

    def loaded(name: str, device: Device) -> Extractor:
        return load_small(device) if name == EFFICIENTNET else load(name, device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medgen.verbs.results.N_MEASURED", 8)
        patch.setattr("medgen.runs.resources.PASSES", 1)
        patch.setattr("medgen.verbs.distance._load_extractor", loaded)
        patch.setenv("MEDGEN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_traces() -> Iterator[None]:
    """Let PyTorch keep no trace of who seeded devices that are not there: with it each seed, and each test, takes 2 ms longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("traceback.format_stack", lambda *_, **__: [])
        yield


@pytest.fixture(scope="module")
def blank_charts() -> Iterator[None]:
    """Let charts be empty pictures where a test asks for something else of a page: they take half the time of a report."""
    from matplotlib.figure import Figure
    from PIL import Image

    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'

    def blank(figure: Figure, file: Any, **options: Any) -> None:
        if options.get("format") == "png":
            Image.new("RGB", (1, 1)).save(file, "png")
        elif isinstance(file, BytesIO):
            file.write(svg)

    with pytest.MonkeyPatch.context() as patch:
        for often in ("figures.score_histogram", "figures.roc_curve", "figures.loss_curves", "page.trait_chart"):
            patch.setattr(f"medgen.report.{often}", lambda *_, **__: svg)
        patch.setattr(Figure, "savefig", blank)
        patch.setattr("medgen.report.plot_style.lay_out", lambda figure, kind, dpi=None: None)
        yield


@pytest.fixture(scope="module")
def narrow_endovae() -> Iterator[None]:
    """Let EndoVAE, whose widths are those of its paper, have an eighth of them where a test asks for something else."""
    from medgen.backends import endovae

    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENCODER", "DECODER"):
            patch.setattr(endovae, name, tuple((max(4, width // 8), stride) for width, stride in getattr(endovae, name)))
        patch.setattr(endovae, "HIDDEN", 32)
        yield


@pytest.fixture(scope="module")
def no_stacks() -> Iterator[None]:
    """Let PyTorch note no line of code beside what it writes down, which takes a third of the time below so many callers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("traceback.extract_stack", lambda *_, **__: StackSummary())
        yield


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Let intervals of curves and areas rest on 300 draws where a test asks for something else: on 2,000 they take seconds."""
    from medgen.metrics import detection

    def fewer(labels: Any, codes: Any, n_bootstrap: int, seed: int) -> Iterator[Any]:
        return detection.resamples(labels, codes, min(n_bootstrap, 300), seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medgen.metrics.curves.resamples", fewer)
        yield


@pytest.fixture(scope="module")
def no_comparison_pdf() -> Iterator[None]:
    """Let pages of comparisons come without their PDF, which takes as long to draw as all the rest of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medgen.report.study.page.comparison_pdf", lambda metrics: b"%PDF")
        yield


@pytest.fixture(scope="module")
def quick(blank_charts: None, no_comparison_pdf: None, few_draws: None, narrow_endovae: None, no_stacks: None) -> None:
    """All of these, where it is asked what commands do, and not what they draw or how well they learn."""
