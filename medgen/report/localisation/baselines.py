"""Pixel measures of a model beside those of maps that no model made, with intervals, and whether the model is above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.intervals import Floats, Interval, percentiles
from medgen.metrics.pixel_groups import GroupedPixels, PixelSample
from medgen.report.evaluate import LEVEL, PixelMaps, pixel_values
from medgen.report.localisation.local_metrics import AgainstBest, LocalisationMetrics, MapRow
from medgen.report.measures import measures_of
from medgen.report.run_metrics import interval_values

DRAWS = 1000
NAMED = 3  # measures that a warning names
FEW_GROUPS = "no interval, as the pixels come from too few groups"

Read = Callable[[], PixelMaps]  # maps, masks and valid pixels of the same frames in the same order, each time anew


class MeasuredMaps(NamedTuple):
    """How well maps find pixels.

    Attributes
    ----------
    title : what pages call them
    values : key of a measure -> its value, NaN where undefined
    draws : key of a measure -> its value in each draw of the bootstrap, (D,); (0,) where there is no interval
    """

    title: str
    values: Mapping[str, float]
    draws: Mapping[str, Floats]


def measure_maps(
    title: str,
    read: Read,
    units: ArrayLike,
    pixels: int,
    levels: tuple[float | None, float | None] = (None, None),
    opposite: str = "",
    n_bootstrap: int = DRAWS,
    seed: int = 0,
) -> MeasuredMaps:
    """Measure maps by the functions that measure a model's, with a bootstrap over groups.

    Parameters
    ----------
    title : what pages call them
    read : reads the maps, more than once
    units : (N,) the statistical unit of each frame
    pixels : how many there are in all, about
    levels : at which maps, and maps with their sign turned, are cut for Dice; None for no Dice
    opposite : what maps with their sign turned are called: they are taken where the pixel AUROC is below 0.5, as a trait counts
        whichever way round it finds more; "" where the direction is given
    n_bootstrap, seed : of the draws; the same ones give paired draws
    """
    values, sample = _first_pass(read, pixels, levels[0])
    if opposite and values.get("auroc", 1.0) < 0.5:
        return measure_maps(opposite, lambda: _turned(read()), units, pixels, levels[::-1], "", n_bootstrap, seed)
    grouped = GroupedPixels(sample.ends(), units, threshold=levels[0])
    for block in read():
        grouped.update(*block)
    coarse, draws = grouped.figures(), grouped.draws(n_bootstrap, seed)
    keys = [measure.key for measure in measures_of("pixel") if measure.key in values]
    moved = {key: draws[key] + (values[key] - coarse[key][0]) for key in keys}  # what the coarse bins cost, 0.001 or less
    return MeasuredMaps(title, {key: values[key] for key in keys}, moved)


def compare_maps(
    model: MeasuredMaps, baselines: Mapping[str, MeasuredMaps], n_bootstrap: int = DRAWS, left_out: str = ""
) -> LocalisationMetrics:
    """Return the numbers of the model's maps beside those of maps that no model made.

    Parameters
    ----------
    model : its maps
    baselines : name of a row -> its maps, of the same frames, with as many draws of the same seed
    n_bootstrap : number of draws
    left_out : which rows lack and why, a sentence
    """
    against = {
        key: _against_best(key, model, [*baselines.values()])
        for key in model.values
        if not np.isnan(model.values[key]) and any(key in maps.values for maps in baselines.values())
    }
    rows: list[MapRow] = [{"name": name, "title": maps.title, "measures": intervals(maps)} for name, maps in baselines.items()]
    return {
        "bootstrap": {"draws": n_bootstrap, "level": LEVEL, "by": "group"},
        "model": intervals(model),
        "baselines": rows,
        "against": against,
        "warning": _warning(against),
        "left_out": left_out,
    }


def intervals(maps: MeasuredMaps) -> dict:
    """Return each measure of maps with its interval."""
    return {key: interval_values(Interval(value, *percentiles(maps.draws[key], LEVEL))) for key, value in maps.values.items()}


def _against_best(key: str, model: MeasuredMaps, baselines: Sequence[MeasuredMaps]) -> AgainstBest:
    known = [maps for maps in baselines if key in maps.values]
    best = max(known, key=lambda maps: np.nan_to_num(maps.values[key], nan=-1))
    low, high = percentiles(model.draws[key] - best.draws[key], LEVEL)
    difference = interval_values(Interval(model.values[key] - best.values[key], low, high))
    return {
        "best": best.title,
        "value": difference["value"],
        "low": difference["low"],
        "high": difference["high"],
        "above": bool(low > 0),
    }


def _warning(against: Mapping[str, AgainstBest]) -> str:
    """Return in which measures the model is not above the best map without one; "" where it is above in all."""
    titles = {measure.key: measure.title for measure in measures_of("pixel")}
    short = {titles[key]: entry for key, entry in against.items() if not entry["above"]}
    if not short:
        return ""
    said = []
    for title, entry in [*short.items()][:NAMED]:
        sure = FEW_GROUPS if entry["low"] is None else f"{entry['low']:+.3f} to {entry['high']:+.3f}"
        said.append(f"{title} ({entry['value']:+.3f} against “{entry['best']}”; {sure})")
    more = f", and {len(short) - NAMED} more" if len(short) > NAMED else ""
    return (
        f"The maps are not shown to find pixels better than the best map that no model made, in {len(short)} of {len(against)} "
        f"measures: {', '.join(said)}{more}; the table under Localisation has all."
    )


def _first_pass(read: Read, pixels: int, level: float | None) -> tuple[dict[str, float], PixelSample]:
    sample = PixelSample(pixels)
    return pixel_values(sample.passing(read()), level), sample


def _turned(blocks: PixelMaps) -> PixelMaps:
    for maps, masks, valid in blocks:
        yield -np.asarray(maps), masks, valid


def pack(maps: Mapping[str, MeasuredMaps]) -> dict[str, NDArray]:
    """Return measured maps as arrays to store, in the order of their names."""
    arrays: dict[str, NDArray] = {"names": np.array([*maps]), "titles": np.array([row.title for row in maps.values()])}
    for name, row in maps.items():
        arrays[f"{name}/keys"] = np.array([*row.values])
        arrays[f"{name}/values"] = np.array([*row.values.values()])
        arrays[f"{name}/draws"] = np.array([*row.draws.values()], dtype=np.float32)
    return arrays


def unpack(arrays: Mapping[str, NDArray]) -> dict[str, MeasuredMaps]:
    """Return measured maps from the arrays that `pack` made of them."""
    maps = {}
    for name, title in zip(arrays["names"].tolist(), arrays["titles"].tolist(), strict=True):
        keys = arrays[f"{name}/keys"].tolist()
        values, draws = (arrays[f"{name}/{part}"] for part in ("values", "draws"))
        maps[name] = MeasuredMaps(title, dict(zip(keys, values.tolist(), strict=True)), dict(zip(keys, draws, strict=True)))
    return maps
