"""The documentation site: the navigation names every page, and each backend has a card of what is known of it.

The site itself is built by `make docs`, which takes a warning for an error; `test_docs.py` runs what its pages say, and
follows every link.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch

from medgen import api, registry
from medgen.types import Batch

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))

import model_cards  # noqa: E402

SECTIONS = tomllib.loads((ROOT / "docs" / "navigation.toml").read_text(encoding="utf-8"))["section"]
NAMED = [page for section in SECTIONS for page in section["pages"]]
CARDS = "docs/models/*"  # written by the build


def pages() -> set[str]:
    """Return all pages that the navigation leads to, those of the cards aside."""
    return {path.relative_to(ROOT).as_posix() for name in NAMED if name != CARDS for path in ROOT.glob(name)}


def test_the_navigation_names_every_page_of_the_documentation() -> None:
    wanted = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs").glob("*/*.ipynb"),
        *ROOT.glob("reports/*/README.md"),
        ROOT / "findings/README.md",
    ]
    assert {path.relative_to(ROOT).as_posix() for path in wanted} - {"docs/index.md"} == pages() - {"reports/README.md"}


@pytest.mark.parametrize("name", [name for name in NAMED if name != CARDS])
def test_what_the_navigation_names_is_there(name: str) -> None:
    assert [*ROOT.glob(name)]


def test_no_page_is_named_twice() -> None:
    assert sorted(NAMED) == sorted({*NAMED})


def test_the_site_takes_nothing_from_elsewhere() -> None:
    assigned = {node.targets[0].id for node in ast.parse((ROOT / "docs/conf.py").read_text()).body if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)}  # fmt: skip
    assert not assigned & {"html_css_files", "html_js_files", "intersphinx_mapping", "mathjax_path", "html_extra_path"}


@pytest.mark.parametrize("name", registry.names())
def test_the_card_of_a_backend_says_source_score_recipes_and_settings(name: str) -> None:
    text = model_cards.card(name)
    assert text.startswith(f"# {name}\n") and "nomaly score" in " ".join(text.split()) and "For research only" in text
    assert set(re.findall(r"`--config ([\w-]+)`", text)) == {one.name for one in api.recipes() if one.backend == name}
    assert set(re.findall(r"\| `(\w+)(?:\.\w+)*` \| `", text)) == set(type(registry.parse(name, {})).model_fields)


def test_the_numbers_of_a_card_are_those_of_the_published_report() -> None:
    published = json.loads((ROOT / "reports/hyperkvasir/metrics-dfm.json").read_text(encoding="utf-8"))
    area = published["detection"]["auroc"]
    expected = f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})"
    (row,) = re.findall(r"^\| `dfm-hyperkvasir` .*", model_cards.card("dfm"), re.MULTILINE)
    assert expected in row and f"{published['pixel']['auroc']:.3f}" in row and "../../reports/hyperkvasir/README.md" in row


def test_the_links_of_the_cards_lead_somewhere() -> None:
    links = {link for name in registry.names() for link in re.findall(r"\]\((\.[^)#]+)", model_cards.card(name))}
    assert [link for link in links if not (ROOT / "docs/models" / link).resolve().is_file()] == []


def test_a_card_says_what_else_a_backend_can_do_and_what_it_needs() -> None:
    assert "reconstruct" in model_cards.capabilities("vae") and "translate" not in model_cards.capabilities("vae")
    assert "a second domain" in model_cards.needs("cyclegan") and "single pass" in model_cards.needs("padim")


def test_the_backend_of_the_page_on_new_ones_trains_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/new-backend.md").read_text(encoding="utf-8"), re.M | re.S)[0]
    (tmp_path / "toy_of_the_page.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    toy = import_module("toy_of_the_page")
    model = toy.Model(toy.Config(latents=2), 8, 3)
    batch = Batch(torch.rand(4, 3, 8, 8), torch.ones(4, 1, 8, 8, dtype=torch.bool), torch.arange(4))
    ((player, losses),) = model.turns(batch, 0.0)
    losses["reconstruction"].backward()
    assert player in model.players and model.score(batch).score.shape == (4,)
