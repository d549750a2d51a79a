"""Sphinx, for `make docs`: the pages of docs/, reports/ and the root as one site that needs no network to build or to read.

Pages stay where they are and as they are, Markdown that a forge shows too. `navigation.toml` says which there are and in what
order; `model_cards.py` adds a page for each backend. The build takes each warning for an error.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from model_cards import write_cards  # noqa: E402

from medgen import __version__  # noqa: E402

SECTIONS = tomllib.loads((ROOT / "docs" / "navigation.toml").read_text(encoding="utf-8"))["section"]
FIRST = "docs/index"

project = "medgen"
release = version = __version__
copyright = "the authors of medgen; MIT licence. For research only, never for diagnosis or for the care of a patient"
language = "en_GB"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = FIRST
include_patterns = [f"{FIRST}.md", *(page for section in SECTIONS for page in section["pages"])]
exclude_patterns = [".*", "build", "demo", "runs", "tests", "medgen", "cli"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks show what a recorded run has left
nb_number_source_lines = False
default_role = "literal"  # one backquote on each side, as everywhere in this project
PROSE = "What comes back"  # in the place of "Returns", below which a type would be expected and not a sentence
napoleon_custom_sections = [PROSE]
napoleon_use_ivar = True  # the fields of a named tuple are members already
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
html_theme = "furo"
html_title = f"medgen {__version__}"
html_copy_source = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {"footer_icons": []}


def with_navigation(app: Any, name: str, source: list[str]) -> None:
    """Put the navigation behind the first page."""
    if name == FIRST:
        for section in SECTIONS:
            pages = "\n".join(f"/{Path(page).with_suffix('')}" for page in section["pages"])
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {section['title']}\n\n{pages}\n```\n"


def with_meanings(app: Any, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Give what a section says behind a name to the name as its meaning: types stand in the signature, here as in the code."""
    section, said = "", []
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        section = line if re.fullmatch(r"-{3,}", below) else section
        named = re.fullmatch(r"([\w*, ]+) : (.+)", line)
        if section in ("Parameters", "Attributes", "Raises") and named:
            said += [named[1], f"    {named[2]}"]
        elif section in ("Returns", "Yields") and (line == section or re.fullmatch(r"-{3,}", line)):
            said.append(PROSE if line == section else line)
        else:
            said.append(line.strip() if section in ("Returns", "Yields") else line)
    lines[:] = said


def is_left_out(app: Any, what: str, name: str, value: object, skip: bool, options: Any) -> bool | None:
    """Leave out what says nothing here: members of named tuples, whose class says what each means, and scikit-learn's own."""
    foreign = re.fullmatch(r"set_\w+_request", name)  # by which scikit-learn is told what to hand on
    return True if foreign or (value.__doc__ or "").startswith("Alias for field number") else None


def with_a_first_page(app: Any, error: Exception | None) -> None:
    """Lead from the folder of the site to its first page."""
    target = (
        f'<!doctype html><meta charset="utf-8"><title>medgen</title><meta http-equiv="refresh" content="0; url={FIRST}.html">'
    )
    if error is None:
        Path(app.outdir, "index.html").write_text(f'{target}<a href="{FIRST}.html">Documentation</a>\n', encoding="utf-8")


def setup(app: Any) -> None:
    """Connect what is above; called by Sphinx."""
    write_cards(ROOT / "docs" / "models")
    app.connect("source-read", with_navigation)
    app.connect("autodoc-process-docstring", with_meanings, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", is_left_out)
    app.connect("build-finished", with_a_first_page)
