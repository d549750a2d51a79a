"""Distances between sets of features equal somebody else's numbers."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from medgen.errors import MedgenError
from medgen.metrics.distribution import (
    compare,
    density_coverage,
    extract,
    extract_moments,
    few_samples,
    kernel_distance,
    precision_recall,
)
from medgen.metrics.moments import Moments, frechet_distance


def draw(n: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=torch.Generator().manual_seed(99))
    return torch.randn(n, width, generator=random) * scale @ mixing + shift


def moments(features: Tensor, batch: int = 10_000) -> Moments:
    result = Moments()
    for rows in features.split(batch):
        result.add(rows)
    return result


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    return draw(300, 4, 0), draw(200, 4, 1, shift=1.5, scale=1.2)


class Identity(nn.Module):
    num_features = 12

    def forward(self, features: Tensor) -> Tensor:
        return features


def test_mean_and_covariance_equal_numpy_whatever_the_batches() -> None:
    features = draw(2500, 6, 0, shift=3.0)
    found = moments(features, 700)
    np.testing.assert_allclose(found.mean, features.double().mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.covariance, np.cov(features.double().numpy(), rowvar=False), rtol=1e-10)
    assert found.count == 2500


def test_the_mean_is_the_same_before_and_after_rows_are_folded_in() -> None:
    found = moments(draw(1500, 6, 0), 200)
    before = found.mean
    assert found.covariance.shape == (6, 6)
    np.testing.assert_allclose(found.mean, before, rtol=1e-10, atol=1e-12)


def test_a_large_offset_does_not_spoil_the_covariance() -> None:
    features = draw(3000, 4, 0).double()
    np.testing.assert_allclose(moments(features + 1e7, 500).covariance, moments(features).covariance, rtol=1e-6)


def test_features_may_change_after_they_were_added() -> None:
    features = draw(20, 4, 0).double()
    found = moments(features)
    expected = features.mean(0).numpy().copy()
    features.zero_()
    np.testing.assert_allclose(found.mean, expected)


def test_waiting_rows_stay_bounded() -> None:
    found = Moments()
    for seed in range(6):
        found.add(draw(1000, 4, seed))
        assert sum(map(len, found._waiting)) <= 1024


def test_the_frechet_distance_equals_torchmetrics() -> None:
    real, generated = draw(400, 12, 0), draw(300, 12, 1, shift=0.3, scale=1.3)
    theirs = FrechetInceptionDistance(feature=Identity())
    theirs.update(real, real=True)
    theirs.update(generated, real=False)
    assert frechet_distance(moments(real), moments(generated)) == pytest.approx(theirs.compute().item(), rel=1e-3)


@pytest.mark.parametrize("folded", [False, True])
def test_the_frechet_distance_equals_scipy(folded: bool) -> None:
    a, b = moments(draw(400, 12, 0)), moments(draw(300, 12, 1, shift=0.3, scale=1.3))
    if folded:
        assert a.covariance.shape == b.covariance.shape
    found = frechet_distance(a, b)
    product = sqrtm(a.covariance @ b.covariance)
    expected = np.square(a.mean - b.mean).sum() + np.trace(a.covariance + b.covariance - 2 * product.real)
    assert found == pytest.approx(expected, rel=1e-9)


def test_gaussians_with_diagonal_covariance_have_the_distance_of_the_closed_form() -> None:
    corners = torch.tensor([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])  # uncorrelated, unbiased variance 4 / 3
    a, b = corners * torch.tensor([1.0, 2.0]), corners * torch.tensor([3.0, 5.0]) + torch.tensor([1.0, -2.0])
    expected = 1 + 4 + 4 / 3 * ((3 - 1) ** 2 + (5 - 2) ** 2)
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(expected, rel=1e-9)


def test_the_distance_of_a_set_to_itself_is_zero() -> None:
    features = draw(2000, 12, 0)
    assert frechet_distance(moments(features), moments(features)) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("folded", [False, True])
def test_ten_samples_of_many_features_give_the_distance_in_their_own_subspace(folded: bool) -> None:
    small = draw(10, 8, 0), draw(10, 8, 1, shift=0.5)
    basis = torch.linalg.qr(torch.randn(500, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    wide = [moments(features.double() @ basis.T) for features in small]
    if folded:
        assert all(side.covariance.shape == (500, 500) for side in wide)
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(*map(moments, small)), rel=1e-6)


def test_the_frechet_distance_is_symmetric_for_unequal_numbers() -> None:
    few, many = draw(5, 30, 0), draw(1200, 30, 1, shift=0.1)
    assert frechet_distance(moments(few), moments(many)) == pytest.approx(frechet_distance(moments(many), moments(few)), rel=1e-9)


def test_the_kernel_distance_equals_the_unbiased_estimate_by_hand() -> None:
    x, y = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0]]), torch.tensor([[2.0, 2.0], [1.0, 0.0], [0.0, 0.0]])

    def kernel(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 2 + 1) ** 3

    within = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(3) for j in range(3) if i != j) / 6
    across = sum(kernel(a, b) for a in x for b in y) / 9
    mean, deviation = kernel_distance(x, y, subsets=4, subset_size=1000)
    assert mean == pytest.approx(within - 2 * across, rel=1e-9)
    assert deviation == pytest.approx(0, abs=1e-9)


def test_the_kernel_distance_of_one_distribution_is_around_zero() -> None:
    mean, deviation = kernel_distance(draw(400, 6, 0) / 3, draw(400, 6, 1) / 3, subsets=50, subset_size=100)
    assert abs(mean) < deviation


def test_the_seed_decides_the_subsets(pair: tuple[Tensor, Tensor]) -> None:
    first, again, other = (kernel_distance(*pair, subsets=3, subset_size=50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def naive_within(points: Tensor, centres: Tensor, k: int) -> list[list[bool]]:
    """Whether each point (row) is in the ball of each centre (column), one distance at a time."""
    radii = [sorted(float((a - b).double().norm()) for b in centres)[k] for a in centres]
    return [[float((p - c).double().norm()) <= r for c, r in zip(centres, radii, strict=True)] for p in points]


def test_precision_and_recall_equal_a_double_loop() -> None:
    real, generated = draw(40, 3, 0), draw(30, 3, 1, shift=1.0)
    precision, recall = precision_recall(real, generated, k=3)
    assert precision == pytest.approx(np.mean([any(row) for row in naive_within(generated, real, 3)]))
    assert recall == pytest.approx(np.mean([any(row) for row in naive_within(real, generated, 3)]))
    assert 0 < precision < 1
    assert 0 < recall < 1


def test_density_and_coverage_equal_scikit_learn(pair: tuple[Tensor, Tensor]) -> None:
    real, generated = (features.double().numpy() for features in pair)
    radii = NearestNeighbors(n_neighbors=5).fit(real).kneighbors()[0][:, -1]
    inside = np.linalg.norm(real[:, None] - generated[None], axis=-1) <= radii[:, None]
    density, coverage = density_coverage(*pair, k=5)
    assert density == pytest.approx(inside.sum() / (5 * len(generated)))
    assert coverage == pytest.approx(inside.any(1).mean())
    assert 0 < coverage < 1


def test_blocks_do_not_change_the_neighbours(pair: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = precision_recall(*pair), density_coverage(*pair)
    monkeypatch.setattr("medgen.metrics.distribution.BLOCK", 7)
    assert (precision_recall(*pair), density_coverage(*pair)) == whole


def test_a_set_has_full_precision_recall_and_coverage_of_itself(pair: tuple[Tensor, Tensor]) -> None:
    assert precision_recall(pair[0], pair[0]) == (1.0, 1.0)
    assert density_coverage(pair[0], pair[0])[1] == 1.0


def test_a_far_set_has_none(pair: tuple[Tensor, Tensor]) -> None:
    assert precision_recall(pair[0], pair[1] + 1e4) == (0.0, 0.0)
    assert density_coverage(pair[0], pair[1] + 1e4) == (0.0, 0.0)


def test_only_inception_may_be_called_fid(pair: tuple[Tensor, Tensor]) -> None:
    official, own = compare(*pair, "inception-2015"), compare(*pair, "efficientnet-lite0")
    assert "fid" in official
    assert "fd" not in official
    assert "fid" not in own
    assert own["fd"] == official["fid"]
    assert own["extractor"] == "efficientnet-lite0"


def test_a_comparison_holds_every_measure(pair: tuple[Tensor, Tensor]) -> None:
    found = compare(*pair, "inception-2015", seed=5)
    assert found["fid"] == frechet_distance(*map(moments, pair))
    assert (found["kid"], found["kid_std"]) == kernel_distance(*pair, subset_size=100, seed=5)
    assert (found["precision"], found["recall"]) == precision_recall(*pair)
    assert (found["density"], found["coverage"]) == density_coverage(*pair)
    assert (found["n_real"], found["n_generated"]) == (300, 200)
    assert "300 real and 200 generated" in str(found["warning"])


def test_the_warning_ends_at_2048_samples_of_both() -> None:
    assert few_samples(2048, 2048) == ""
    assert few_samples(2047, 9999)
    assert few_samples(9999, 2047)


def batches() -> Iterator[Tensor]:
    for seed in range(3):
        yield torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def mean_colour(images: Tensor) -> Tensor:
    return images.mean((2, 3))


def test_extraction_keeps_the_order_of_the_images() -> None:
    torch.testing.assert_close(extract(mean_colour, batches()), torch.cat(list(batches())).mean((2, 3)))


def test_no_features_of_earlier_images_stay_beside_those_of_later_ones() -> None:
    kept: list[weakref.ref[Tensor]] = []

    def watched(images: Tensor) -> Tensor:
        assert not any(found() is not None for found in kept)
        features = mean_colour(images)
        kept.append(weakref.ref(features))
        return features

    found = extract(watched, (torch.full((2, 3, 4, 4), float(k)) for k in range(1500)))
    assert torch.equal(found, torch.arange(1500.0).repeat_interleave(2)[:, None].expand(-1, 3))


def test_moments_of_a_stream_equal_those_of_the_features() -> None:
    streamed = extract_moments(mean_colour, batches())
    np.testing.assert_allclose(streamed.covariance, np.cov(extract(mean_colour, batches()).double().numpy().T), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moments(torch.ones(3)), "expected \\(N, F\\)"),
        (lambda: moments(torch.full((3, 2), torch.nan)), "NaN or infinite"),
        (lambda: [(one := moments(torch.ones(3, 2))), one.add(torch.ones(3, 4))], "4 wide after batches of 2"),
        (lambda: frechet_distance(moments(torch.ones(1, 2)), moments(torch.ones(3, 2))), "at least 2 samples, got 1"),
        (lambda: frechet_distance(moments(torch.ones(3, 2)), moments(torch.ones(3, 4))), "2 and 4 wide"),
        (lambda: precision_recall(torch.ones(3, 2), torch.ones(9, 2)), "3 real samples; this measure needs at least 4"),
        (lambda: density_coverage(torch.ones(9, 2), torch.ones(5, 2)), "5 generated samples; this measure needs at least 6"),
        (lambda: kernel_distance(torch.ones(9, 2), torch.ones(5, 3)), "2 and 3 wide"),
        (lambda: extract(mean_colour, []), "no images"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_reason(call: object, message: str) -> None:
    with pytest.raises(MedgenError, match=message):
        call()  # type: ignore[operator]
