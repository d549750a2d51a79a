"""Detectors that fit in one pass: their distances are those of others, and one run trains, resumes and scores like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import fail, succeed
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sources import folder
from tiny import batch
from tiny import whole_frames as frames

from medgen import registry
from medgen.backends._onepass import OnePass, _turned
from medgen.errors import BackendError
from medgen.metrics.comparing.paired import delong
from medgen.nn.features import normal_cells
from medgen.nn.features.choosing import chosen_set, set_votes, vote
from medgen.nn.features.normal_cells import NormalCells, cell_distance
from medgen.types import Batch

SIZE = 32
LAYERS = {"side": 64, "strides": (8, 16)}


def fitted(name: str, batches: int = 3, **settings: Any) -> Any:
    torch.manual_seed(0)
    sides = {"sides": (64,)} if name == "dfm" else {}
    model = registry.create(name, {"features": LAYERS, **sides, **settings}, SIZE, 3)
    assert isinstance(model, OnePass)
    for number in range(batches):
        assert not list(model.turns(frames(number), 0.0))
    model.finalise_fit()
    return model.eval()


# distances


def test_patchcores_distances_are_those_to_the_nearest_patch_in_the_bank() -> None:
    model = fitted("patchcore", bank=50)
    found, _ = model.layers.joined(frames(9).image, frames(9).valid, 3)
    vectors = found.permute(0, 2, 3, 1).flatten(0, 2).numpy()
    expected = NearestNeighbors(n_neighbors=1).fit(model.bank.numpy()).kneighbors(vectors)[0].reshape(6, -1)
    scores = model.score(frames(9))
    np.testing.assert_allclose(scores.components["highest"], expected.max(1), rtol=1e-3)
    np.testing.assert_allclose(scores.components["mean"], expected.mean(1), rtol=1e-3)


def test_patchcores_score_is_weighted_as_published() -> None:
    model = fitted("patchcore", bank=50, neighbours=5)
    found, _ = model.layers.joined(frames(9).image[:1], frames(9).valid[:1], 3)
    vectors, bank = found.permute(0, 2, 3, 1).flatten(0, 2).double(), model.bank.double()
    distances = torch.cdist(vectors, bank)
    worst = int(distances.amin(1).argmax())
    home = bank[distances[worst].argmin()]
    near = torch.cdist(home[None], bank)[0].topk(5, largest=False).indices
    highest = distances[worst].min()
    weight = 1 - highest.exp() / distances[worst, near].exp().sum()
    assert float(model.score(frames(9)).score[0]) == pytest.approx(float(weight * highest), rel=1e-3)


def test_a_frame_that_is_in_the_bank_has_no_distance() -> None:
    model = fitted("patchcore", bank=10_000)
    assert int(model.used) == 3 * 6 * 64 and model.score(frames(1)).components["highest"].max() < 1e-4


def test_the_bank_is_drawn_from_no_more_patches_than_stated() -> None:
    model = fitted("patchcore", bank=1000, most=100)
    assert int(model.used) == 100


@pytest.mark.parametrize("width", [9, 100])  # fewer numbers than frames, and more
def test_padims_distances_are_mahalanobis_distances_at_each_place(width: int) -> None:
    model = fitted("padim", width=width)
    seen = torch.cat([model.layers.joined(frames(k).image, frames(k).valid)[0] for k in range(3)])[:, model.chosen].double()
    new = model.layers.joined(frames(9).image, frames(9).valid)[0][:, model.chosen].double()
    place = (slice(None), slice(None), 3, 5)
    covariance = np.cov(seen[place].numpy().T) + 0.01 * np.eye(width)
    away = new[place].numpy() - seen[place].numpy().mean(0)
    expected = np.sqrt(np.einsum("nd,de,ne->n", away, np.linalg.inv(covariance), away))
    vectors = (new.flatten(2).permute(2, 0, 1).float() - model.means[:, None]) @ model.roots
    np.testing.assert_allclose(vectors.norm(dim=2).view(8, 8, 6)[3, 5], expected, rtol=1e-5)
    assert (model.score(frames(9)).components["highest"].numpy() >= expected * 0.999).all()


def pooled(model: Any, number: int, statistic: str) -> np.ndarray:
    maps, _ = model.nets[0].maps(frames(number).image, frames(number).valid)[1]
    found = {"mean": maps.mean((2, 3)), "std": maps.std((2, 3), unbiased=False), "max": maps.amax((2, 3))}
    return found[statistic].double().numpy()


@pytest.mark.parametrize("statistic", ["mean", "std", "max"])
def test_dfms_distance_is_the_mahalanobis_distance_in_units_of_held_out_frames(statistic: str) -> None:
    model = fitted("dfm", features={"side": 64, "strides": (8, 16)}, sides=(), choose=False, statistics=(statistic,))
    theirs = LedoitWolf().fit(np.concatenate([pooled(model, k, statistic) for k in range(3)]))
    raw = theirs.mahalanobis(pooled(model, 9, statistic)) / 112
    model.taken[:] = torch.tensor([False, True])
    centre, spread = model.usual_1.numpy()
    np.testing.assert_allclose(model.score(frames(9)).score, (raw - centre) / spread, rtol=1e-3)


def test_dfms_units_come_from_frames_that_the_gaussian_was_not_fitted_to() -> None:
    model = fitted("dfm", sides=(), choose=False, statistics=("mean",), features={"side": 64, "strides": (8, 16)})
    every = np.concatenate([pooled(model, k, "mean") for k in range(3)])
    fold = np.searchsorted(np.quantile(np.arange(18), [0.25, 0.5, 0.75]), np.arange(18))
    held = np.concatenate([LedoitWolf().fit(every[fold != k]).mahalanobis(every[fold == k]) / 112 for k in range(4)])
    np.testing.assert_allclose(model.usual_1, [held.mean(), held.std(ddof=1)], rtol=1e-3)


def test_dfms_score_is_the_mean_over_its_blocks() -> None:
    model = fitted("dfm", choose=False, statistics=("mean",))
    whole = model.score(frames(9)).score
    alone = []
    for number in range(2):
        model.taken[:] = torch.arange(2) == number
        alone.append(model.score(frames(9)).score)
    torch.testing.assert_close(whole, (alone[0] + alone[1]) / 2)


def test_dfm_takes_the_set_of_blocks_that_the_votes_say() -> None:
    model = fitted("dfm", sides=(64, 96))
    assert (
        len(model.sets) == 3 * 3
        and {len(some) % 3 for some in model.sets} == {0}
        and model.votes.min() > 0
        and model.errors.min() > 0
    )
    assert tuple(model.taken.nonzero()[:, 0].tolist()) == model.sets[chosen_set(model.sets, model.votes, model.errors)]


# what counts


@pytest.mark.parametrize("name", ["patchcore", "padim", "dfm"])
def test_what_is_not_valid_changes_no_score(name: str) -> None:
    model, whole = fitted(name), batch(4, seed=9)
    other = Batch(torch.where(whole.valid, whole.image, torch.rand_like(whole.image)), whole.valid, whole.index)
    torch.testing.assert_close(model.score(whole).score, model.score(other).score)


@pytest.mark.parametrize("name", ["patchcore", "padim", "dfm"])
def test_a_frame_without_a_valid_pixel_has_a_finite_score(name: str) -> None:
    model, whole = fitted(name), batch(2)
    assert model.score(Batch(whole.image * 0, whole.valid & False, whole.index)).score.isfinite().all()


@pytest.mark.parametrize("name", ["patchcore", "padim", "dfm"])
def test_a_frame_that_shows_little_is_not_the_most_normal_one(name: str) -> None:
    model, whole = fitted(name), frames(9)
    little = torch.zeros_like(whole.valid)
    little[..., ::3, ::3] = True  # at most 4 of 9 pixels of a cell
    score = model.score(Batch(torch.rand_like(whole.image), little, whole.index)).score
    assert (score > model.score(frames(0)).score.min()).all()


def test_frames_without_a_patch_that_counts_are_no_bank() -> None:
    model = registry.create("patchcore", {"features": LAYERS}, SIZE, 3)
    whole = frames(0)
    dark = Batch(whole.image, torch.zeros_like(whole.valid), whole.index)
    assert isinstance(model, OnePass) and not list(model.turns(dark, 0.0))
    with pytest.raises(BackendError, match="no patch to remember: none of them has a valid pixel"):
        model.finalise_fit()


def test_the_eight_views_are_all_there_are() -> None:
    square = torch.arange(9.0).view(1, 1, 3, 3)
    assert len({tuple(_turned(square, view).flatten().tolist()) for view in range(8)}) == 8


def test_views_are_gathered_besides_the_frames() -> None:
    assert int(fitted("patchcore", batches=1, bank=10_000, views=4).used) == 4 * 6 * 64


def test_another_net_than_the_one_it_was_fitted_with_is_refused() -> None:
    model = fitted("padim")
    model.fingerprint[0] += 1
    with pytest.raises(BackendError, match="are not those that the run was trained with; train again"):
        model.score(frames(0))


def test_a_single_frame_is_too_little() -> None:
    with pytest.raises(BackendError, match="at least 2 training frames, got 0"):
        fitted("padim", batches=0)


# runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("data"), "train/good", "test/good", "test/bad", count=7)


@pytest.mark.usefixtures("blank_charts")
@pytest.mark.parametrize("name", ["patchcore", "padim", "dfm"])
def test_a_run_is_one_epoch_over_every_training_frame(name: str, data: Path, tmp_path: Path) -> None:
    sides = ["--set", "model.sides=[]"] if name == "dfm" else []
    small = ["--set", "model.features.side=64", "--set", "data.batch_size=4", *sides]
    told = succeed("train", name, f"folder:{data}", "--out", tmp_path / "run", *small)
    assert "all 1 epochs done" in told and len(pd.read_csv(tmp_path / "run" / "log.csv")) == 1
    succeed("report", tmp_path / "run", "--out", tmp_path / "page")
    scores = pd.read_csv(tmp_path / "run" / "scores" / "scores.csv")
    assert len(scores) == 14 and scores["score"].notna().all()
    refused = fail("train", name, f"folder:{data}", "--out", tmp_path / "run", "--resume", "--epochs", 3)
    assert f"'{name}' fits in one pass" in refused


def test_dfm_takes_the_largest_of_the_sets_within_a_standard_error_of_the_best() -> None:
    sets, votes = [(0,), (1,), (0, 1), (0, 1, 2)], torch.tensor([0.60, 0.75, 0.74, 0.70])
    assert chosen_set(sets, votes, torch.full((4,), 0.02)) == 2
    assert chosen_set(sets, votes, torch.full((4,), 0.005)) == 1


def test_dfms_vote_is_an_auroc_with_delongs_error() -> None:
    draw = torch.Generator().manual_seed(0)
    normal, odd = torch.randn(30, generator=draw).double(), 0.7 + torch.randn(40, generator=draw).double()
    labels, scores = np.repeat([0, 1], [30, 40]), torch.cat([normal, odd]).numpy()
    share, error = vote(normal, odd)
    theirs = delong(labels, scores, np.zeros(70))
    assert float(share) == pytest.approx(roc_auc_score(labels, scores)) and float(error) == pytest.approx(theirs.error)


@pytest.mark.parametrize("foreign", [0, 1, 5])
def test_dfm_takes_all_blocks_where_a_fold_leaves_one_normal_frame_to_vote_by(foreign: int) -> None:
    sets = [(0,), (1,), (0, 1)]
    assert chosen_set(sets, *set_votes(sets, [torch.zeros(1)] * 2, [torch.ones(foreign)] * 2)) == 2


# the map of dfm


def test_a_cell_is_as_far_as_the_nearest_normal_one_in_the_leading_principal_components_whitened() -> None:
    draw = np.random.default_rng(0)
    spread = np.diag([5.0, 4.0, 3.0, 0.5, 0.3, 0.1])
    cells, others = (draw.normal(size=(count, 6)) @ spread + 2 for count in (400, 100))
    gathered = NormalCells(6)
    maps, new = (torch.from_numpy(of.reshape(-1, 10, 10, 6)).movedim(3, 1) for of in (cells, others))
    gathered.add(maps[:2], torch.ones(2, 1, 10, 10, dtype=torch.bool))
    gathered.add(maps[2:], torch.ones(2, 1, 10, 10, dtype=torch.bool))
    found = cell_distance(new.float(), *gathered.fit()).movedim(1, 3).flatten()
    theirs = PCA(3, whiten=True).fit(cells)  # three variances are above 0.7 of the mean one
    placed, known = (theirs.transform(of) * np.sqrt(400 / 399 / 3) for of in (others, cells))  # theirs divides by N - 1
    expected = NearestNeighbors(n_neighbors=1).fit(known).kneighbors(placed)[0][:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_no_more_cells_are_kept_than_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal_cells, "MOST", 50)
    gathered = NormalCells(3)
    for seed in range(4):
        values = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
        gathered.add(values, torch.ones(2, 1, 5, 5, dtype=torch.bool))
    assert gathered.count == 200 and len(gathered.fit()[2]) == 50


def test_cells_that_do_not_count_are_not_gathered() -> None:
    gathered, counts = NormalCells(2), torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    counts[0, 0, 1, 2] = True
    gathered.add(torch.arange(18.0).view(1, 2, 3, 3), counts)
    assert gathered.count == 1 and gathered.sums.tolist() == [5, 14]


def test_too_few_cells_make_a_map_of_zeros() -> None:
    assert not cell_distance(torch.rand(1, 2, 3, 3), *NormalCells(2).fit()).any()


def test_the_map_of_dfm_is_highest_where_a_frame_differs() -> None:
    model = fitted("dfm", sides=(), features={"side": 64, "strides": (8, 16)}, sigma=0)
    image = frames(0).image.clone()
    image[:, :, :16, :16] = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    plain, found = (model.score(Batch(own, frames(0).valid, frames(0).index)).map for own in (frames(0).image, image))
    assert (
        found.shape == (6, 1, SIZE, SIZE) and (found - plain)[:, :, :16, :16].mean() > 2 * (found - plain)[:, :, 16:, 16:].mean()
    )


def test_the_map_does_not_enter_the_score_of_dfm() -> None:
    model = fitted("dfm")
    before = model.score(frames(9)).score
    model.cell_root_0.zero_()
    torch.testing.assert_close(model.score(frames(9)).score, before, rtol=0, atol=0)
