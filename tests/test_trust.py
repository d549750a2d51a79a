"""No program that a file names runs: only a digest that a person types starts one."""

from __future__ import annotations

import warnings
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from commands import fail
from torch import Tensor, nn

from medgen import api, trust
from medgen.config import with_paths_from, with_whole_paths
from medgen.errors import ConfigError, MedgenError
from medgen.nn.features.extractors import load_extractor


class Means(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(trust, "_trusted", set())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.script")
        torch.jit.script(Means()).save(str(tmp_path / "net.pt"))
    return tmp_path / "net.pt"


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_a_program_is_refused_with_the_digest_that_would_trust_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(MedgenError, match=rf"is a program.*medgen --trust-code {digest(program)} "):
        load_extractor(f"file:{program}")


def test_a_program_that_is_trusted_runs(program: Path) -> None:
    api.trust_code(digest(program).upper())
    torch.testing.assert_close(load_extractor(f"file:{program}")(torch.ones(1, 3, 8, 8)), torch.ones(1, 3))


def test_trust_ends_where_the_content_changes(program: Path) -> None:
    api.trust_code(digest(program))
    program.write_bytes(program.read_bytes() + b"\0")
    with pytest.raises(MedgenError, match="is a program"):
        load_extractor(f"file:{program}")


def test_weights_named_in_the_environment_run_no_program_either(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_INCEPTION", str(program))
    with pytest.raises(MedgenError, match="is a program"):
        load_extractor("inception-2015")


@pytest.mark.parametrize("wrong", ["", "yes", "9f" * 31])
def test_what_is_no_digest_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="expected the SHA-256 of a file"):
        api.trust_code(wrong)


def test_the_command_takes_it_before_the_verb() -> None:
    assert "--trust-code got 'yes'; expected the SHA-256" in fail("--trust-code", "yes", "backends")


def test_no_settings_file_can_trust(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('backend = "vae"\ntrust_code = "9f"\n')
    with pytest.raises(ConfigError, match="unknown setting 'trust_code'"):
        api.recipe("vae", tmp_path / "recipe.toml")


def test_files_that_a_recipe_names_are_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "recipe.toml").write_text('backend = "vae"\nscoring.perceptual = "file:nets/net.pt"\n')
    assert api.recipe("vae", tmp_path / "recipe.toml").scoring.perceptual == f"file:{tmp_path}/nets/net.pt"


def test_files_that_the_command_names_are_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = api.recipe("vae", None, ["scoring.perceptual=timm:resnet18@w.safetensors"])
    assert found.scoring.perceptual == f"timm:resnet18@{tmp_path}/w.safetensors"


def test_a_recipe_and_a_data_set_that_a_study_names_are_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "r.toml").write_text('backend = "vae"\ntrain.epochs = 7\n')
    (tmp_path / "study.toml").write_text('dataset = "../DATA"\n[backends.vae]\nconfig = "r.toml"\n')
    study = api.read_study(tmp_path / "study.toml")
    assert study.dataset == str(tmp_path.parent / "DATA") and study.recipes()["vae"].train.epochs == 7


def test_a_native_data_set_of_a_study_keeps_its_kind(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('dataset = "mnist:digits"\n[backends.vae]\n')
    assert api.read_study(tmp_path / "study.toml").dataset == f"mnist:{tmp_path}/digits"


@pytest.mark.parametrize("named", ["file:", "hf:", "efficientnet-lite0@", "timm:resnet18.a1_in1k@"])
def test_paths_come_back_where_both_have_moved(named: str, tmp_path: Path) -> None:
    kept = with_paths_from({"model": {"extractors": [f"{named}{tmp_path}/a/net.pt"]}}, tmp_path / "a" / "run")
    assert kept == {"model": {"extractors": [f"{named}../net.pt"]}}
    assert with_whole_paths(kept, Path("/b/run")) == {"model": {"extractors": [f"{named}/b/net.pt"]}}


@pytest.mark.parametrize("value", ["efficientnet-lite0", "timm:resnet18", "keep", 3, None, "20m"])
def test_other_settings_stay_as_they_are(value: object, tmp_path: Path) -> None:
    assert with_whole_paths({"a": value}, tmp_path) == {"a": value} == with_paths_from({"a": value}, tmp_path)
