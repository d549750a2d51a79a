"""How far a set of generated images is from a set of real ones, by features of both.

Fréchet distance (Heusel et al. 2017, https://arxiv.org/abs/1706.08500), kernel distance (Binkowski et al. 2018,
https://arxiv.org/abs/1801.01401), precision and recall (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991), density and
coverage (Naeem et al. 2020, https://arxiv.org/abs/2002.09797). Features are (N, F); nothing here grows with N squared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from medgen.errors import MedgenError
from medgen.metrics.moments import BLOCK, Moments, check_features, frechet_distance
from medgen.nn.features.extractors import INCEPTION

ENOUGH = 2048  # samples, as many as FID has features: with fewer the covariance is singular

Extract = Callable[[Tensor], Tensor]


def kernel_distance(
    real: Tensor, generated: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the mean and the standard deviation over subsets of the unbiased squared MMD with the kernel (x y / F + 1)³.

    Parameters
    ----------
    real, generated : (N, F) and (M, F), at least 2 each
    subsets : how many are drawn
    subset_size : rows of each; no more than there are
    seed : of the draws

    Raises
    ------
    MedgenError : if there are too few rows, a value is not finite or the widths differ.
    """
    real, generated = _pair(real, generated, 2)
    size = min(subset_size, len(real), len(generated))
    random = torch.Generator().manual_seed(seed)

    def draw(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=random)[:size]]  # (size, F)

    distances = torch.stack([_squared_mmd(draw(real), draw(generated)) for _ in range(subsets)])  # (subsets,)
    return distances.mean().item(), distances.std(correction=0).item()


def _squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Return the unbiased estimate from (n, F) and (n, F): no sample is compared with itself (Binkowski et al. 2018)."""
    count, width = x.shape
    within, other_within, across = ((first @ second.T / width + 1) ** 3 for first, second in ((x, x), (y, y), (x, y)))
    pairs = within.sum() - within.trace() + other_within.sum() - other_within.trace()
    return pairs / (count * (count - 1)) - 2 * across.mean()


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> tuple[float, float]:
    """Return the share of generated samples within the real ones, and of real samples within the generated ones.

    Within a set is what lies no farther from one of its samples than that sample's k-th nearest neighbour in the set.

    Parameters
    ----------
    real, generated : (N, F) and (M, F), more than k each
    k : neighbour whose distance is the radius

    Raises
    ------
    MedgenError : if there are too few rows, a value is not finite or the widths differ.
    """
    real, generated = _pair(real, generated, k + 1)

    def within(points: Tensor, centres: Tensor) -> float:
        inside = torch.zeros(len(points), dtype=torch.bool)
        for hits in _hits(points, centres, k):
            inside |= hits.any(0)  # (points,)
        return inside.double().mean().item()

    return within(generated, real), within(real, generated)


def density_coverage(real: Tensor, generated: Tensor, k: int = 5) -> tuple[float, float]:
    """Return how densely generated samples lie among the real ones (above 1 is possible), and the share of real samples met.

    A ball around each real sample reaches to its k-th nearest neighbour among the real ones. The density is the mean number of
    balls that a generated sample lies in, over k; the coverage is the share of balls in which any lies.

    Parameters
    ----------
    real, generated : (N, F) and (M, F), more than k each
    k : neighbour whose distance is the radius

    Raises
    ------
    MedgenError : if there are too few rows, a value is not finite or the widths differ.
    """
    real, generated = _pair(real, generated, k + 1)
    inside = met = 0
    for hits in _hits(generated, real, k):
        inside += int(hits.sum())
        met += int(hits.any(1).sum())
    return inside / (k * len(generated)), met / len(real)


def compare(real: Tensor, generated: Tensor, extractor: str, seed: int = 0) -> dict[str, float | int | str]:
    """Return every measure of this file, with the numbers of samples and a warning beside them.

    Parameters
    ----------
    real, generated : (N, F) and (M, F) features, more than 5 each
    extractor : name of what made them. The Fréchet distance is called "fid" for inception-2015 alone and "fd" for any other
    seed : of the subsets that the kernel distance draws

    Returns
    -------
    "extractor", "fid" or "fd", "kid" and "kid_std" (as they are, not times 1,000), "precision", "recall", "density", "coverage",
    "n_real", "n_generated", "warning" ("" where both have 2,048 samples).

    Raises
    ------
    MedgenError : if there are too few rows, a value is not finite or the widths differ.
    """
    _pair(real, generated, 6)
    moments = Moments(), Moments()
    for side, features in zip(moments, (real, generated), strict=True):
        side.add(features)
    half = min(len(real), len(generated)) // 2  # larger subsets would hardly differ
    kid, deviation = kernel_distance(real, generated, subset_size=min(1000, half), seed=seed)
    precision, recall = precision_recall(real, generated)
    density, coverage = density_coverage(real, generated)
    return {
        "extractor": extractor,
        "fid" if extractor == INCEPTION else "fd": frechet_distance(*moments),
        "kid": kid,
        "kid_std": deviation,
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "n_real": len(real),
        "n_generated": len(generated),
        "warning": few_samples(len(real), len(generated)),
    }


def few_samples(real: int, generated: int) -> str:
    """Return the sentence that belongs beside a Fréchet distance of so many samples; "" for 2,048 or more of both."""
    if min(real, generated) >= ENOUGH:
        return ""
    return (
        f"{real:,} real and {generated:,} generated samples; below {ENOUGH:,} the covariance of as many features is singular, "
        "and the Fréchet distance comes out too large: compare it only with one of equally many samples"
    )


def extract(extractor: Extract, batches: Iterable[Tensor]) -> Tensor:
    """Return the features of all images, (N, F) float32 on the CPU; only they stay in memory.

    Parameters
    ----------
    extractor : images to features, such as a `medgen.nn.features.extractors.Extractor`
    batches : (B, C, H, W) each

    Raises
    ------
    MedgenError : if there is no image.
    """
    rows, count = torch.empty(0), 0
    for images in batches:
        features = extractor(images).cpu()
        if count + len(features) > len(rows):
            rows.resize_(max(BLOCK, 2 * len(rows), count + len(features)), features.shape[1])  # keeps what is there
        rows[count : count + len(features)] = features
        count += len(features)
        del features  # small blocks left among large ones may keep their room from being used again: 5 GB for 10,000 frames
    if not count:
        raise MedgenError("there are no images to extract features from; expected at least one batch")
    return rows[:count].clone()  # (N, F)


def extract_moments(extractor: Extract, batches: Iterable[Tensor]) -> Moments:
    """Return the moments of the features of all images, in memory that does not grow with them.

    Parameters
    ----------
    extractor : images to features, such as a `medgen.nn.features.extractors.Extractor`
    batches : (B, C, H, W) each
    """
    moments = Moments()
    for images in batches:
        moments.add(extractor(images))
    return moments


def _hits(points: Tensor, centres: Tensor, k: int) -> Iterator[Tensor]:
    """Yield (b, points) bool, block by block of the centres: whether a point is within the k-th neighbour of a centre."""
    for block in centres.split(BLOCK):
        others = torch.cdist(block, centres)  # (b, centres)
        radius = others.kthvalue(k + 1, dim=1, keepdim=True).values  # (b, 1); the nearest one is the centre itself
        yield torch.cdist(block, points) <= radius


def _pair(real: Tensor, generated: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Return both in float64 on the CPU: distances by products lose half the digits."""
    for name, features in (("real", real), ("generated", generated)):
        check_features(features)
        if len(features) < least:
            raise MedgenError(f"{len(features)} {name} samples; this measure needs at least {least}")
    if real.shape[1] != generated.shape[1]:
        raise MedgenError(
            f"features are {real.shape[1]} and {generated.shape[1]} wide; a comparison needs one extractor for both"
        )
    return real.detach().cpu().double(), generated.detach().cpu().double()
