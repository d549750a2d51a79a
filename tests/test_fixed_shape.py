"""What is computed of a frame has the same bits alone, in any company, in any place and again later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import NARROW, batch
from torch import Tensor
from untrained import make_frames, make_run

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Reconstructs
from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared
from medgen.engine import fixed_shape
from medgen.engine.fixed_shape import FRAMES, in_fixed_shape
from medgen.engine.score import score_batches
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows
from medgen.runs.to_image import to_pixels
from medgen.types import Batch
from medgen.verbs.figures.frame_panels import frame_views

pytestmark = pytest.mark.usefixtures("narrow_endovae")
POOL = 4  # frames of which batches are put together
ADDED = [
    'scoring.perceptual="efficientnet-lite0"',
    "scoring.residual_distance=true",
    "scoring.feature_distance=true",
    "scoring.feature_map=true",
    "scoring.sides=[128]",
    "scoring.flips=true",
    'scoring.fuse=["*"]',
]
RUNS = {name: (name, NARROW.get(name, [])) for name in registry.names()}
RUNS["vae with all that can be added"] = ("vae", [*NARROW["vae"], *ADDED])
FEW = {"vae with all that can be added": 8}  # frames at once, as a large net looks at them often; of all tests after it, too


@pytest.mark.parametrize("count", [1, 3, FRAMES, 2 * FRAMES + 1])
def test_work_always_sees_the_same_number_of_frames(count: int) -> None:
    seen: list[int] = []
    in_fixed_shape(lambda frames: (seen.append(len(frames)), frames.index)[1], batch(count))
    assert set(seen) == {FRAMES}


@pytest.mark.parametrize("count", [1, FRAMES, 2 * FRAMES + 1])
def test_results_are_those_of_the_frames_in_their_order(count: int) -> None:
    frames = batch(count)
    assert torch.equal(in_fixed_shape(lambda part: part.index, frames), frames.index)


@pytest.mark.parametrize(("side", "count"), [(28, FRAMES), (96, 8), (256, 2), (448, 1)])
def test_fewer_large_frames_are_looked_at_together(side: int, count: int) -> None:
    seen: list[int] = []
    in_fixed_shape(lambda part: (seen.append(len(part)), part)[1], torch.zeros(5, 3, side, side))
    assert set(seen) == {count}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3])
def test_work_sees_one_layout_whatever_that_of_the_frames(layout: torch.memory_format, channels: int) -> None:
    image = torch.rand(3, channels, 8, 8).contiguous(memory_format=layout)
    assert in_fixed_shape(lambda part: torch.tensor([part.stride()]).expand(FRAMES, -1), image)[0].tolist() == [
        64 * channels,
        1,
        8 * channels,
        channels,
    ]


def test_mappings_sequences_and_nothing_keep_their_places() -> None:
    result = in_fixed_shape(lambda part: {"twice": (2 * part, None)}, torch.arange(3))
    assert result["twice"][0].tolist() == [0, 2, 4] and result["twice"][1] is None


class Made(NamedTuple):
    """A run that knows its own normal frames, and the scores of its validation frames together."""

    run: Run
    model: Backend
    data: Prepared
    rows: np.ndarray
    together: ScoreTable


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_frames(tmp_path_factory.mktemp("frames") / "frames")


@pytest.fixture(scope="module", params=RUNS)
def made(request: pytest.FixtureRequest, frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed_shape, "FRAMES", FEW.get(request.param, FRAMES))
        run = make_run(frames, folder / "run", *RUNS[request.param])
        data = open_trained_on(run)
        rows = data.rows("val")
        yield Made(run, run.trained_model(), data, rows, score_rows(run, data, rows, folder / "scores", device="cpu"))


@pytest.fixture(scope="module")
def alone(made: Made, tmp_path_factory: pytest.TempPathFactory) -> ScoreTable:
    """The scores of the fourth validation frame alone."""
    return score_rows(made.run, made.data, made.rows[3:4], tmp_path_factory.mktemp("alone"), device="cpu")


def facts(made: Made, frames: Batch) -> dict[str, Tensor]:
    """Return all that scoring makes of frames, (B, ...) each."""
    (scored,) = score_batches(
        made.model,
        [frames],
        torch.device("cpu"),
        settings=made.run.settings.scoring,
        normal_reference=made.run.normal_reference(),
    )
    found = {"score": scored.scores.score, "map": scored.scores.map, "reconstruction": scored.reconstruction}
    return {name: part for name, part in {**found, **scored.scores.components, **scored.classes}.items() if part is not None}


def chosen(pool: Batch, rows: list[int]) -> Batch:
    return Batch(pool.image[rows], pool.valid[rows], pool.index[rows])


@pytest.mark.parametrize("pixels", [1, 8 * 32**2, fixed_shape.PIXELS])
def test_a_frame_has_the_same_bits_alone_and_in_any_place_of_any_batch(
    made: Made, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_shape, "PIXELS", pixels)
    pool = batch(POOL)
    pool.valid[0] = True  # a frame without holes among others
    rows = [0, 1, *np.random.default_rng(0).integers(0, POOL, min(fixed_shape.at_once(pool.image), FRAMES - 2))]
    together = facts(made, chosen(pool, rows))
    for row in {*rows}:
        alone = facts(made, chosen(pool, [row])) if row < 2 else {}  # of the others the first place stands for all of them
        for name, part in together.items():
            same = part[[place for place, other in enumerate(rows) if other == row]]
            assert torch.equal(same, alone.get(name, same[:1]).expand_as(same)), name


def test_calibration_frames_scored_again_have_exactly_their_stored_scores(made: Made) -> None:
    scores = made.together.table["score"][1::2] if made.run.settings.scoring.fuse else made.together.table["score"]
    assert sorted(scores) == made.run.calibration()["scores"]


def test_a_frame_alone_has_the_row_of_scores_that_it_has_among_others(made: Made, alone: ScoreTable) -> None:
    pd.testing.assert_frame_equal(alone.table, made.together.table[3:4].reset_index(drop=True), check_exact=True)


def test_a_frame_alone_has_the_map_that_it_has_among_others(made: Made, alone: ScoreTable) -> None:
    if made.together.maps is None:
        assert alone.maps is None
        return
    assert alone.maps is not None and np.array_equal(alone.maps[0], made.together.maps[3])


def test_a_panel_shows_the_reconstruction_that_was_scored(made: Made) -> None:
    (view,) = frame_views(made.run, made.model, made.together, [3])
    if not isinstance(made.model, Reconstructs):
        assert view.reconstruction is None
        return
    scored = facts(made, make_batch(made.data, made.rows, made.run.settings.data.overlay))
    assert view.reconstruction is not None and np.array_equal(view.reconstruction, to_pixels(scored["reconstruction"])[3])


def test_the_reconstruction_that_stands_in_scores_is_the_one_that_the_backend_returns(made: Made) -> None:
    frames = make_batch(made.data, made.rows[:2], made.run.settings.data.overlay)
    with torch.inference_mode():
        drawn = made.model.eval().score(frames).reconstruction
        assert drawn is None or torch.equal(drawn, registry.require(made.model, Reconstructs).reconstruct(frames))
