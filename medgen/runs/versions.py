"""Which code a stored result is from: one that another version computed is made again, never shown.

What is read again instead of being computed (scores, a calibration, ...) is stored with `made_by` of its kind, and counts only
where `is_current` says so. Results that were stored before there were versions never do.

A version is a number that a person raises when the same weights and frames may get other numbers than before. A digest of the
source code would need no memory, but would also discard every result over a renamed variable, and with a calibration all use of
a run whose data set is gone. What makes a person remember is ``tests/test_stored_numbers.py``: it keeps the numbers that each
kind gives on fixed frames, and fails when they change and the version does not. Speeds differ from run to run, so nothing guards
the versions of "cost" and "plan".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of stored results.

    Attributes
    ----------
    version : of the code that computes them
    raise_when : what asks for the next version
    rests_on : other kinds that they are computed from, whose next version is theirs, too
    """

    version: int
    raise_when: str
    rests_on: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "scores": Kind(
            8,
            "backends, engine/score*.py or fixed_shape.py, or metrics/image.py may score, redraw or classify a frame otherwise",
        ),
        "calibration": Kind(2, "what is stored of the normal frames, their threshold or their Gaussians may differ", ("scores",)),
        "cost": Kind(1, "another thing is timed or counted, so that speeds may no longer be put beside each other"),
        "plan": Kind(1, "a trial times other steps, or turns its seconds into another number of epochs"),
        "features": Kind(2, "an extractor, or how a frame is brought to it, may give other features of the same frame"),
        "distance": Kind(
            1, "other samples are drawn for the same seed, or distances of the same features may differ", ("features",)
        ),
        "baselines": Kind(
            1,
            "runs/localising/no_model_maps.py may draw or cut another map, or pixel measures or their draws may differ",
        ),
        "traits": Kind(1, "data/shortcut_features.py may measure another value of the same frame, or another trait"),
    }
)


def made_by(kind: str) -> str:
    """Return the version of the code that computes results of a kind, and of what they rest on: "calibration 1, scores 2"."""
    return ", ".join(f"{name} {KINDS[name].version}" for name in (kind, *KINDS[kind].rests_on))


def is_current(kind: str, facts: Mapping[str, object]) -> bool:
    """Tell whether what was stored with ``made_by`` among its facts is what the present code would compute."""
    return facts.get("made_by") == made_by(kind)
