"""Settings are strict, recipes are TOML, and a wrong name leads to the right one."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from medgen.config import Settings, merged, override, read_toml, to_toml
from medgen.errors import ConfigError

plain = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text("aZ0 \"'\\#=[]é漢\x7f")
)
keys = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)


class Inner(Settings):
    latents: int = Field(6, ge=1)


class Span(Settings):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Outer(Settings):
    epochs: int = 3
    model: Inner = Inner()
    span: Span = Span()


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"recipe: unknown setting 'model.latens'; did you mean 'latents'"):
        Outer.parse({"model": {"latens": 3}}, "recipe")


def test_a_value_out_of_range_is_named_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"'model.latents' is 0: input should be greater than or equal to 1"):
        Outer.parse({"model": {"latents": 0}})


def test_settings_that_do_not_go_together_are_told_without_all_others_of_their_section() -> None:
    with pytest.raises(ConfigError, match=r"^recipe: 'span': low is above high$"):
        Outer.parse({"span": {"low": 2}}, "recipe")


def test_an_assignment_reaches_a_nested_setting() -> None:
    assert override({"epochs": 3}, ["model.latents=16", "name=x y"]) == {"epochs": 3, "model": {"latents": 16}, "name": "x y"}


def test_an_assignment_leaves_the_given_values_alone() -> None:
    values = {"model": {"latents": 6}, "made": date(2026, 1, 2)}  # TOML knows days
    assert override(values, ["model.latents=16"]) == {"model": {"latents": 16}, "made": date(2026, 1, 2)}
    assert values == {"model": {"latents": 6}, "made": date(2026, 1, 2)}


@pytest.mark.parametrize("assignment", ["latents", "=3", "epochs.x=3"])
def test_a_broken_assignment_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError):
        override({"epochs": 3}, [assignment])


def test_what_is_laid_over_changes_its_own_keys_alone() -> None:
    below = {"train": {"epochs": 3, "clip": 1.0}, "backend": "vae"}
    assert merged(below, {"train": {"epochs": 4}, "data": {}}) == {**below, "train": {"epochs": 4, "clip": 1.0}, "data": {}}
    assert below["train"] == {"epochs": 3, "clip": 1.0}


def test_a_missing_recipe_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_toml(tmp_path / "no.toml")


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(tmp_path / "x.toml") == {"a": 1}


def test_a_broken_recipe_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("a = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(tmp_path / "x.toml")


@given(st.dictionaries(keys, st.one_of(plain, st.lists(plain), st.dictionaries(keys, plain))))
def test_what_is_written_as_toml_is_read_again(values: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(values)) == values


def test_stray_bytes_of_a_path_are_written_as_escapes() -> None:
    assert tomllib.loads(to_toml({"paths": ["caf\udce9"]})) == {"paths": [r"caf\udce9"]}


def test_the_digest_depends_on_values_alone() -> None:
    assert Outer().digest() == Outer.parse({"epochs": 3}).digest() != Outer(epochs=4).digest()


def test_a_setting_that_a_later_version_adds_leaves_the_digest_as_it_is() -> None:
    class Later(Outer):
        added: int = 0

    assert Later(epochs=4).digest() == Outer(epochs=4).digest() != Later(epochs=4, added=1).digest()


class Part(Settings):
    rate: float = 0.1
    steps: int = 1


class Whole(Settings):
    part: Part = Part(rate=0.5)


def test_a_section_given_in_part_keeps_the_rest_of_its_default() -> None:
    assert Whole.parse({"part": {"steps": 7}}).part == Part(rate=0.5, steps=7)


def test_an_optimizer_setting_of_endovae_leaves_the_others_as_they_are() -> None:
    from medgen import registry

    config = registry.parse("endovae", {"optimizer": {"lr": 5e-4}})
    assert (config.optimizer.lr, config.optimizer.warmup_steps, config.optimizer.plateau_epochs) == (5e-4, 100, 10)  # type: ignore[attr-defined]


def test_a_momentum_that_no_optimizer_takes_is_refused_with_its_key() -> None:
    from medgen.contract.backend import Optimizer

    with pytest.raises(ConfigError, match=r"'betas.1' is 1: input should be less than 1"):
        Optimizer.parse({"betas": [0.5, 1]})
