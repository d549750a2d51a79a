"""Recipes by name: which file a name leads to, what is said of each, and that reports/ says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from benchmarks.reproduce import REPORTS, filled, published
from commands import fail, succeed

from medgen import api, recipes
from medgen.errors import ConfigError

ROOT = Path(__file__).parents[1]
FACTS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "configs/facts/recipes.toml").read_text(encoding="utf-8"))
MEASURED = [name for name, facts in FACTS.items() if facts.get("result")]
TIMED = [name for name, facts in FACTS.items() if "minutes" in facts]


def test_a_recipe_is_found_by_its_whole_name_and_by_what_follows_the_backend() -> None:
    found = {recipes.find(name, "vae") for name in ("vae-mnist", "mnist", Path("mnist"))}
    assert found == {ROOT / "configs" / "vae-mnist.toml"}


def test_the_same_word_is_another_recipe_for_another_backend() -> None:
    assert api.recipe("gan", Path("mnist")).data.pad_to == 32 and api.recipe("vae", Path("mnist")).data.pad_to == 0


def test_a_file_of_that_name_goes_before_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mnist").write_text("[train]\nepochs = 3\n")
    assert api.recipe("vae", Path("mnist")).train.epochs == 3


def test_an_unknown_name_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    answer = fail("train", "vae", tmp_path, "--out", tmp_path / "run", "--config", "hyperkvasr")
    assert "no recipe 'hyperkvasr' for vae" in answer and "did you mean 'hyperkvasir'?" in answer and "medgen recipes" in answer


def test_a_study_is_answered_with_the_verb_that_takes_it() -> None:
    with pytest.raises(ConfigError, match="'study-hyperkvasir' is a study and no recipe; `medgen compare` takes"):
        recipes.find("study-hyperkvasir", "vae")


def test_a_path_of_the_repository_that_is_not_there_is_answered_with_the_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file '.*vae-mnist.toml'; .*--config vae-mnist"):
        recipes.find(tmp_path / "vae-mnist.toml", "vae")


def test_a_comparison_takes_the_recipe_of_each_backend_by_one_name() -> None:
    study = api.study_of("DATA", ["vae", "vqvae"], config="hyperkvasir")
    expected = {name: api.recipe(name, ROOT / f"configs/{name}-hyperkvasir.toml") for name in ("vae", "vqvae")}
    assert {name: one.train for name, one in study.recipes().items()} == {name: one.train for name, one in expected.items()}


def test_a_study_file_names_recipes_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('dataset = "DATA"\n[backends.vae]\nconfig = "mnist"\n')
    assert api.read_study(tmp_path / "study.toml").recipes()["vae"].model["latents"] == 2


def test_the_command_lists_every_recipe_with_size_time_and_result() -> None:
    lines = succeed("recipes").splitlines()
    assert [line.split()[0] for line in lines[1:]] == recipes.names()
    assert re.search(r"^gan-mnist +MNIST +32 +37 +FID 9.1 +gans/README.md$", "\n".join(lines), re.MULTILINE)
    assert re.search(r"^featvae-hyperkvasir +HyperKvasir +448 +- +not measured$", "\n".join(lines), re.MULTILINE)


def test_every_recipe_has_its_facts_and_no_other() -> None:
    assert [*FACTS] == recipes.names() and all(facts["frames"] and facts["side"] for facts in FACTS.values())


@pytest.mark.parametrize("name", MEASURED)
def test_the_result_of_a_recipe_is_the_published_one(name: str) -> None:
    facts = FACTS[name]
    assert facts["result"] == filled(facts["measured"], published)
    assert re.search(r"\{.+\}", facts["measured"]) and (REPORTS / facts["page"]).is_file()


@pytest.mark.parametrize("name", TIMED)
def test_the_minutes_of_a_recipe_are_the_published_ones(name: str) -> None:
    facts = FACTS[name]
    page = (REPORTS / facts.get("minutes_page", facts["page"])).read_text(encoding="utf-8")
    if "minutes_row" in facts:
        assert facts["minutes"] in minutes_in_row(page, facts["minutes_row"])
    else:
        said = facts["minutes_said"]
        assert said in " ".join(page.split()) and re.search(rf"\b{facts['minutes']:g}( and \d+)? minutes", said)


def minutes_in_row(page: str, row: str) -> list[float]:
    """Return the minutes of all table rows that begin with a cell."""
    header: list[str] = []
    found = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif cells[0] == row:
            found += [float(cell) for title, cell in zip(header, cells, strict=True) if title.startswith("minutes")]
    return found


@pytest.mark.parametrize("name", [name for name in FACTS if name.endswith("hyperkvasir")])
def test_the_side_of_a_recipe_is_that_of_its_command(name: str) -> None:
    head = (ROOT / f"configs/{name}.toml").read_text(encoding="utf-8").splitlines()[0]
    assert FACTS[name]["side"] == int(dict(re.findall(r"--(size) (\d+)", head)).get("size", 96))
