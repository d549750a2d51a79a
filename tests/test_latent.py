"""Figures of latent spaces and of the controller: the right points, names, grids and curves."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from pages import SVG, texts
from scipy.stats import norm
from skimage.color import rgb2lab
from sklearn.decomposition import PCA

from medgen.errors import MedgenError
from medgen.report import latent

MACHADO = {  # Machado, Oliveira and Fernandes 2009, full severity, of linear RGB
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def points(n: int, z: int, seed: int = 0) -> NDArray[np.float64]:
    """Return latents that vary most in the first dimensions."""
    return np.random.default_rng(seed).normal(size=(n, z)) * np.arange(z, 0, -1)


def marks(svg: bytes) -> int:
    """Return how many marks of points a chart holds, without those of the axes (which have no fill opacity) and legend."""
    groups = [node for node in ElementTree.fromstring(svg).iter(f"{SVG}g") if re.fullmatch(r"line2d_\d+", node.get("id", ""))]
    clipped = [node for group in groups for node in group.iter(f"{SVG}g") if node.get("clip-path")]
    return sum(len(list(node.iter(f"{SVG}use"))) for node in clipped)


@pytest.mark.parametrize("kind", MACHADO)
def test_colours_stay_apart_for_colour_blind_readers(kind: str) -> None:
    seen = []
    for colour, _ in latent.LOOKS:
        encoded = np.array(to_rgb(colour))
        linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        shown = np.clip(np.asarray(MACHADO[kind]) @ linear, 0, 1)
        seen.append(rgb2lab(np.where(shown <= 0.0031308, shown * 12.92, 1.055 * shown ** (1 / 2.4) - 0.055)))
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10  # 2.3 is just noticeable


def test_no_two_classes_share_a_mark() -> None:
    assert len({mark for _, mark in latent.LOOKS}) == len(latent.LOOKS)


def test_two_latents_are_the_axes() -> None:
    assert {"latent 1", "latent 2", "a (3)", "b (2)"} <= set(texts(latent.latent_scatter(points(5, 2), list("ababa"))))


def test_more_latents_are_projected_as_scikit_learn_does() -> None:
    latents = points(300, 6)
    flat, names = latent._project(latents)
    expected = PCA(2).fit(latents)
    np.testing.assert_allclose(np.abs(flat - flat.mean(axis=0)), np.abs(expected.transform(latents)), atol=1e-9)
    shares = [
        f"principal component {k} ({100 * share:.0f} % of the variance)"
        for k, share in enumerate(expected.explained_variance_ratio_, 1)
    ]
    assert names == shares and set(names) <= set(texts(latent.latent_scatter(latents, ["a"] * 300)))


def test_every_point_of_a_small_set_is_drawn() -> None:
    assert marks(latent.latent_scatter(points(123, 2), ["a", "b", "c"] * 41)) == 123


def test_a_large_set_is_thinned_but_counted_whole_and_stays_light() -> None:
    svg = latent.latent_scatter(points(12_000, 2), [str(k % 10) for k in range(12_000)])
    drawn = texts(svg)
    assert marks(svg) == latent.DRAWN and len(svg) < 500_000
    assert f"{latent.DRAWN} of 12000 frames drawn" in drawn and drawn.count("0 (1200)") == 1


def test_all_but_the_ten_largest_classes_are_other() -> None:
    names = [f"c{k:02}" for k in range(13) for _ in range(k + 1)]
    drawn = texts(latent.latent_scatter(points(len(names), 2), names))
    assert "other: 3 classes (6)" in drawn  # 1 + 2 + 3
    assert {f"c{k:02} ({k + 1})" for k in range(3, 13)} <= set(drawn)
    assert not {"c00 (1)", "c01 (2)", "c02 (3)"} & set(drawn)


def test_points_that_are_not_finite_are_left_out() -> None:
    latents = points(4, 3)
    latents[0, 0] = np.nan
    assert "a (3)" in texts(latent.latent_scatter(latents, ["a"] * 4))


@pytest.mark.parametrize("latents", [np.empty((0, 2)), np.empty((0, 5)), np.zeros((1, 5)), np.zeros((3, 3)), points(2, 9)])
def test_odd_sets_are_drawn(latents: NDArray[np.float64]) -> None:
    assert latent.latent_scatter(latents, [""] * len(latents)).startswith(b"<?xml")


@pytest.mark.parametrize("name", ["", "$a$", "<b>&", "a\nb", "\u8111"])
def test_any_name_is_drawn_as_text(name: str) -> None:
    plot_text = {"": "unknown", "a\nb": "a b", "\u8111": r"\u8111"}.get(name, name)
    assert f"{plot_text} (2)" in texts(latent.latent_scatter(points(2, 2), [name] * 2))


@pytest.mark.parametrize(("shape", "count"), [((4, 1), 4), ((4,), 4), ((4, 2), 3)])
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, ...], count: int) -> None:
    with pytest.raises(MedgenError, match=r"latent_scatter got .* expected"):
        latent.latent_scatter(np.zeros(shape), ["a"] * count)


def test_the_plane_runs_over_the_normal_quantiles_right_and_up() -> None:
    grid = latent.latent_plane(10).reshape(10, 10, 2)
    quantiles = norm.ppf(np.linspace(0.05, 0.95, 10))
    np.testing.assert_allclose(grid[4, :, 0], quantiles, rtol=1e-6)
    np.testing.assert_allclose(grid[:, 4, 1], quantiles[::-1], rtol=1e-6)


def test_the_plane_of_the_data_goes_from_the_least_to_the_largest_latent() -> None:
    grid = latent.latent_plane(3, [[-1, 10], [5, 20], [2, 0]]).reshape(3, 3, 2)
    np.testing.assert_allclose(grid[0, :, 0], [-1, 2, 5])
    np.testing.assert_allclose(grid[:, 0, 1], [20, 10, 0])


def test_the_table_has_the_range_of_each_class_in_each_latent() -> None:
    table = latent.class_ranges([[1, -2], [3, 0.5], [7, 7]], ["b", "b", "a"])
    assert table == [
        ["class", "frames", "latent 1", "latent 2"],
        ["a", "1", "7 to 7", "7 to 7"],
        ["b", "2", "1 to 3", "-2 to 0.5"],
    ]


def test_traversals_change_one_dimension_at_a_time() -> None:
    expected = [[-3, 0.5], [0, 0.5], [3, 0.5], [0.25, -3], [0.25, 0], [0.25, 3]]
    np.testing.assert_array_equal(latent.traversals([0.25, 0.5], [-3, 0, 3]), expected)


def test_traversals_run_from_minus_three_to_three() -> None:
    steps = latent.traversals(np.zeros(2))[: len(latent.TRAVERSED), 0]
    assert (steps[0], steps[len(steps) // 2], steps[-1]) == (-3, 0, 3)


def test_the_control_chart_names_its_curves() -> None:
    drawn = texts(latent.control_chart([1, 2, 3], [0.1, 9.0, 8.0], [8.0, 8.0, 8.0], [0.0, 0.5, 0.4]))
    assert {"KL", "set point", "KL, nats", "weight of the KL term", "training step"} <= set(drawn)
    assert "least to largest" not in drawn


def test_a_long_training_is_drawn_as_means_within_a_band_and_stays_light() -> None:
    steps = np.arange(200_000)
    kl = 8 + np.random.default_rng(0).normal(0, 1, steps.size)
    svg = latent.control_chart(steps, kl, np.full(steps.size, 8.0), np.full(steps.size, 0.3))
    assert "least to largest" in texts(svg) and len(svg) < 150_000


def test_a_kl_far_above_its_set_point_is_cut_and_told() -> None:
    drawn = texts(latent.control_chart([1, 2, 3], [123.4, 9.0, 8.0], [8.0, 8.0, 8.0], [0.0, 0.5, 0.4]))
    assert "the KL went up to 123.4 nats, above this chart" in drawn


def test_bins_are_means_and_extremes_of_neighbours() -> None:
    columns, starts = np.array([[1.0, 3.0, 5.0, 9.0, 7.0]]), np.array([0, 2])
    assert latent._binned(np.add, columns, starts).tolist() == [[4.0, 21.0]]
    assert latent._binned(np.maximum, columns, starts).tolist() == [[3.0, 9.0]]


@pytest.mark.parametrize("kl", [[], [np.nan], [1.0]])
def test_a_training_of_hardly_any_steps_is_drawn(kl: list[float]) -> None:
    ones = np.ones(len(kl))
    assert "training step" in texts(latent.control_chart(ones, kl, ones, ones))


def test_the_use_of_codes_is_said_as_it_is() -> None:
    counts = {"codes top": np.array([5, 5, 0, 5, 5]), "codes bottom": np.array([0, 9, 0])}
    said = texts(latent.code_chart(counts))
    assert "codes top: 4 of 5 used, perplexity 4.0" in said and "codes bottom: 1 of 3 used, perplexity 1.0" in said
