"""Write a page on each backend from the registry and the published reports: nothing in it is typed by hand.

python docs/model_cards.py [FOLDER]      # docs/models, where `make docs` has them
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medgen import registry
from medgen.contract.capabilities import CAPABILITIES
from medgen.recipes import KnownRecipe, known_recipes

ROOT = Path(__file__).parents[1]
MEASURES = {  # of a report, as in its metrics.json
    "AUROC": ("detection", "auroc"),
    "average precision": ("detection", "average_precision"),
    "sensitivity at 95 % specificity": ("detection", "sensitivity_at_95_specificity"),
    "pixel AUROC": ("pixel", "auroc"),
    "AUPRO at 0.3": ("pixel", "aupro_0.3"),
}


def write_cards(folder: Path) -> None:
    """Write the card of every backend into a folder; a card that is there already as it should be stays untouched."""
    folder.mkdir(exist_ok=True)
    for name in registry.names():
        path, text = folder / f"{name}.md", card(name)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


@cache
def card(name: str) -> str:
    """Return the card of a backend as Markdown, for a folder two levels below the root of the repository."""
    recipes = [recipe for recipe in known_recipes() if recipe.backend == name]
    parts = [
        f"# {name}",
        re.sub(r"https://[^\s,;]+[^\s,;.]", r"<\g<0>>", registry.about(name)),
        "**For research only**, never for diagnosis or for the care of a patient: [limits](../limits.md).",
        f"## What it can do\n\nTrain, score and draw anomaly maps; besides: {', '.join(capabilities(name)) or 'nothing'}.",
        f"It needs {needs(name)}.",
        f"## Measured\n\n{measured(recipes)}",
        f"## Recipes\n\n{recipe_table(recipes)}",
        "## Settings\n\n`--set model.NAME=VALUE`; those of all backends are on the page about [training](../training.md).",
        settings_table(name),
    ]
    return "\n\n".join(parts) + "\n"


def capabilities(name: str) -> list[str]:
    """Return what a backend can do besides scoring, in the words of the contract."""
    model = registry.load(name)
    return [
        words
        for capability, words in CAPABILITIES.items()
        if all(hasattr(model, member) for member in vars(capability) if not member.startswith("_"))
    ]


def needs(name: str) -> str:
    """Return what training data a backend needs with its defaults."""
    wanted = registry.load(name).requirements(registry.parse(name, {}))
    second = {"": "", "pair": "the frame that belongs to each", "pool": "frames of a second domain"}[wanted.other]
    said = ["normal frames", second, "their classes" if wanted.classes else "", "abnormal frames" if wanted.abnormal else ""]
    return ", ".join(filter(None, said)) + (", each once: it is fitted in a single pass" if wanted.single_pass else "")


def measured(recipes: Iterable[KnownRecipe]) -> str:
    """Return a table of what is published of the recipes with a detection task, intervals (95 %) in brackets."""
    facts = tomllib.loads((ROOT / "configs" / "facts" / "recipes.toml").read_text(encoding="utf-8"))
    rows = []
    for recipe in recipes:
        if "detection" in facts[recipe.name].get("measured", ""):
            file = re.findall(r"\{([^:]+):", facts[recipe.name]["measured"])[0]
            metrics = json.loads((ROOT / "reports" / file).read_text(encoding="utf-8"))
            metrics = metrics["transfer"] | {"pixel": {}} if ":transfer/" in facts[recipe.name]["measured"] else metrics
            cells = [number(metrics.get(section, {}).get(key)) for section, key in MEASURES.values()]
            rows.append([f"`{recipe.name}`", *cells, f"[{recipe.result}](../../reports/{recipe.page})"])
    if not rows:
        return "Nothing is published of its detection."
    said = "On all test frames, with 95 % intervals over groups; the page behind the last column has the caveats."
    return f"{said}\n\n" + table(["recipe", *MEASURES, "page"], rows)


def number(value: float | Mapping[str, float] | None) -> str:
    """Return a measure, with its interval where it has one."""
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return "" if value is None else f"{value:.3f}"


def recipe_table(recipes: Iterable[KnownRecipe]) -> str:
    """Return a table of recipes as `medgen recipes` lists them."""
    rows = [
        [f"`--config {one.name}`", one.frames, str(one.side), f"{one.minutes or '-'}", one.result or "not measured"]
        for one in recipes
    ]
    return table(["recipe", "frames", "side", "minutes", "result"], rows) if rows else "None; the defaults suit small frames."


def settings_table(name: str) -> str:
    """Return a table of a backend's settings and their defaults."""
    return table(["setting", "default"], [[f"`{key}`", f"`{value}`"] for key, value in defaults(registry.parse(name, {}))])


def defaults(settings: BaseModel, prefix: str = "") -> list[tuple[str, Any]]:
    """Return the dotted name and the value of each setting."""
    found: list[tuple[str, Any]] = []
    for key in type(settings).model_fields:
        value = getattr(settings, key)
        found += defaults(value, f"{prefix}{key}.") if isinstance(value, BaseModel) else [(f"{prefix}{key}", json.dumps(value))]
    return found


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])


if __name__ == "__main__":
    write_cards(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "models")
