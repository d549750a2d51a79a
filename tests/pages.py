"""What reads pages and drawings: their tags, rows and texts; and file names that try to get out of their place."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

HOSTILE = [
    "<script>alert(1)</script>.png",
    "\"'><img src=x onerror=alert(2)>.png",
    "two\nlines\ttab.png",
    "right\u202egnp.exe",
    "$\\frac{1}{0}$ {{ 7*7 }} {% raw %}.png",
    "stray\udcff.png",
    "x" * 251 + ".png",
    "ملف.png",
]
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, the text between them, the text of each table row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.rows += [""] * (tag == "tr")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows:
            self.rows[-1] += data


def texts(svg: bytes) -> list[str]:
    """Return the texts of a drawing."""
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]
