"""What a comparison warns of, each kind once: what begins alike up to its first number is one warning of several runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LEAD = re.compile(r"[^\d“]*")  # of a sentence: all before its first number or quoted name
LEAST_WORDS = 4  # a shorter beginning says too little to stand for several sentences


class Warned(NamedTuple):
    """A warning, and whom it concerns.

    Attributes
    ----------
    names : of entries or runs, each once
    text : the sentences, or how they begin where there are several
    each : name and sentences of all that begin alike; () where there is one text
    """

    names: tuple[str, ...]
    text: str
    each: tuple[tuple[str, str], ...] = ()


def warned(said: Iterable[tuple[str, str]]) -> list[Warned]:
    """Return the warnings of pairs (name, text), each kind once, in the order in which they first came."""
    kinds: dict[str, dict[tuple[str, str], None]] = {}
    for name, text in said:
        kinds.setdefault(_beginning(text) or text, {})[name, text] = None
    found = []
    for beginning, pairs in kinds.items():
        names, texts = tuple(dict.fromkeys(name for name, _ in pairs)), {text for _, text in pairs}
        found.append(Warned(names, texts.pop()) if len(texts) == 1 else Warned(names, beginning, tuple(pairs)))
    return found


def _beginning(text: str) -> str:
    """Return the last whole clause before the first number; "" where it is too short to say anything."""
    lead = LEAD.match(text)
    words = lead[0] if lead else ""
    clause = re.sub(r"[,:;(][^,:;(]*$", "", words).strip()
    return clause if len(clause.split()) >= LEAST_WORDS else ""
