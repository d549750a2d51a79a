"""What every page shares: its templates, and how values become text and pictures that no name can break."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from medgen.files import json_values
from medgen.report import plot_style
from medgen.report.guarantee import MOVED, guarantee
from medgen.report.measures import measures_of

DASH = "\u2013"  # stands for what is missing
HERE = Path(__file__).parent
_THEME = {
    plot_style.INK: "ink",
    plot_style.MUTED: "muted",
    plot_style.RULE: "rule",
    plot_style.NORMAL: "normal",
    plot_style.ABNORMAL: "abnormal",
    plot_style.UNKNOWN: "unknown",
    plot_style.GREEN: "green",
}


@cache
def environment() -> Environment:
    """Return where templates are found, each read once: everything that they show is escaped and goes through `escape_hidden`."""
    house = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=escape_hidden,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters |= {"number": number, "brief": brief, "data_uri": data_uri, "literal": literal}
    house.globals |= {"measures_of": measures_of, "guarantee": guarantee, "MOVED": MOVED}
    return house


def asset(name: str) -> Markup:
    """Return a style sheet or script of ours as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))


def escape_hidden(value: Any) -> Any:
    """Return text in which nothing hides: control and direction characters and stray bytes become escapes, None a dash."""
    if isinstance(value, Markup):
        return value
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    text = DASH if value is None else str(value)
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in hidden else c for c in text)


def number(value: float | None, digits: int = 3) -> Markup:
    """Return a number with `digits` decimals that carries its full precision along; a dash for None."""
    return Markup(DASH) if value is None else Markup('<data value="{}">{:.{}f}</data>').format(repr(value), value, digits)


def brief(value: float | None) -> Markup:
    """Return a number of any size with four significant digits that carries its full precision along; a dash for None."""
    if value is None or value == 0 or not 1e-4 <= abs(value) < 1e6:
        return Markup(DASH) if value is None else Markup('<data value="{}">{:.3e}</data>').format(repr(value), value)
    return number(value, max(0, 3 - math.floor(math.log10(abs(value)))))


def literal(value: Any) -> str:
    """Return a setting as TOML writes it; None, which TOML lacks, as none."""
    return "none" if (value := json_values(value)) is None else json.dumps(value, ensure_ascii=False)


def data_uri(png: bytes) -> Markup:
    """Return a PNG as an address that holds the picture itself."""
    return Markup("data:image/png;base64,") + b64encode(png).decode()


def inline(svg: bytes, prefix: str) -> Markup:
    """Return a figure's SVG as an element of the page: theme colours, ids that are unique there, no prolog.

    Only tags are rewritten; the text between them matplotlib has escaped already.
    """

    def retag(match: re.Match[str]) -> str:
        tag = re.sub(r'<g id="[^"]*"', "<g", match[0])
        tag = re.sub(r' xmlns(:\w+)?="[^"]*"| version="[^"]*"', "", tag)
        tag = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}", tag)
        return re.sub(r"#[0-9a-f]{6}\b", lambda hue: f"var(--{_THEME[hue[0]]})" if hue[0] in _THEME else hue[0], tag)

    text = svg.decode()
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    return Markup(re.sub(r"<[^<>]+>", retag, text).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


def distinct(names: Sequence[str]) -> list[str]:
    """Number the names that come more than once."""
    result: list[str] = []
    for name in names:
        numbered = (f"{name} ({k})" for k in count(2))
        result.append(next(numbered) if name in result else name)
        while result[-1] in result[:-1]:
            result[-1] = next(numbered)
    return result
