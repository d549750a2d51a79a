"""Other installed packages add backends, readers and extractors; a broken one breaks nothing, and a run brings none along."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import fail, medgen, succeed
from medgen_cli.main import _format_warning
from untrained import make_frames

from medgen import plugins, registry
from medgen.data import images
from medgen.errors import BackendError, MedgenError
from medgen.nn.features.extractors import load_extractor
from medgen.runs.run import open_run
from medgen.testing import check_backend
from medgen.verbs.diagnosing.doctor import doctor
from medgen.verbs.run_warnings import other_version

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "docs" / "template"
LINEAR = (TEMPLATE / "medgen_template" / "linear.py").read_text(encoding="utf-8")
READER = """
from medgen.data.pixel_format import FileFrames, stored
import numpy as np

SUFFIXES = frozenset({".planted"})

def recognises(head, suffix):
    return head.startswith(b"PLANTED")

def open_frames(file):
    pixels = np.frombuffer(file.read()[7:], np.uint8).reshape(32, 32, 3)
    return FileFrames(1, iter([stored(pixels)]))
"""
NET = """
import torch

class Means(torch.nn.Module):
    def forward(self, images):
        return images.mean((2, 3))

def net():
    return Means()
"""


def look_again() -> None:
    plugins.forget()
    for known in (images.all_readers, images.suffixes, images._double_suffixes, images._header_readers):
        known.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that makes up an installed package of one module, with an entry point for it."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    named = set()

    def make(kind: str, name: str, text: str | None, package: str = "planted-package", version: str = "1.2.3") -> None:
        folder = f"{package.replace('-', '_')}_{version.replace('.', '_')}"
        named.add(folder)
        about = tmp_path / "site" / f"{folder}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[medgen.{kind}]\n{name} = {folder}.{name}\n")
        (tmp_path / "site" / folder).mkdir()
        (tmp_path / "site" / folder / "__init__.py").write_text("")
        if text is not None:
            (tmp_path / "site" / folder / f"{name}.py").write_text(text)
        look_again()

    yield make
    monkeypatch.undo()
    for module in [module for module in sys.modules if module.split(".")[0] in named]:
        del sys.modules[module]
    look_again()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed the template."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(TEMPLATE, folder / "source")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile", "--disable-pip-version-check", "--quiet"]
    words = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run(words, check=True, timeout=300)
    return folder / "site"


@pytest.fixture(scope="module")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained by the command while the template was installed."""
    folder = tmp_path_factory.mktemp("trained")
    frames = make_frames(folder / "frames")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        look_again()
        quick = ["--epochs", 1, "--set", "model.latents=4", "--tracker", "none"]
        succeed("train", "linear", f"folder:{frames}", "--out", folder / "run", *quick)
    look_again()
    return folder / "run"


def test_the_template_is_installed_listed_and_keeps_the_contract(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    look_again()
    lines = succeed("backends").splitlines()
    assert [line for line in lines if line.startswith("linear: Linear: ") and line.endswith("(medgen-template 0.1.0)")]
    check_backend("linear", ["model.latents=4"])
    monkeypatch.undo()
    look_again()


def test_the_page_shows_the_file_of_the_template() -> None:
    page = (ROOT / "docs" / "new-backend.md").read_text(encoding="utf-8")
    assert re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0] == LINEAR


def test_a_run_names_the_package_of_its_backend_and_is_scored_with_it(
    site: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_run(trained).about["backend_from"] == "medgen-template 0.1.0"
    monkeypatch.syspath_prepend(site)
    look_again()
    succeed("score", trained, trained.parent / "frames" / "test", "--out", tmp_path / "s", "--no-pictures")
    assert other_version(open_run(trained)) == ""
    monkeypatch.undo()
    look_again()


def test_a_run_whose_package_is_not_installed_says_what_to_install(trained: Path, tmp_path: Path) -> None:
    told = fail("score", trained, trained.parent / "frames" / "test", "--out", tmp_path / "s")
    assert "was trained with 'linear' of package 'medgen-template 0.1.0'" in told and "pip install medgen-template==0.1.0" in told
    assert told == fail("train", "linear", trained.parent / "frames", "--out", trained, "--resume")


def test_a_run_that_names_no_package_but_words_for_a_shell_is_not_repeated_as_a_command(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace("medgen-template 0.1.0", "x 1; something"))
    told = fail("score", run, trained.parent / "frames" / "test", "--out", tmp_path / "s")
    assert "pip install" not in told and "ask whoever trained it" in told


def test_a_program_in_a_run_is_never_a_backend(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    for place in (run, run / "medgen_template"):
        place.mkdir(exist_ok=True)
        (place / "linear.py").write_text("from pathlib import Path\nPath('it-ran').touch()\n")
    monkeypatch.chdir(run)
    fail("score", ".", trained.parent / "frames" / "test", "--out", tmp_path / "s")
    assert not (run / "it-ran").exists()


def test_another_version_than_at_the_training_is_warned_of(trained: Path, install: Callable[..., None]) -> None:
    install("backends", "linear", LINEAR, "medgen-template", "0.2.0")
    said = other_version(open_run(trained))
    assert "of medgen-template 0.1.0 when it was trained, and is of medgen-template 0.2.0 here" in said


BROKEN = ("def (", "raise RuntimeError('no\\nlicence')", "Config = 1", None)


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_backend_breaks_nothing_and_is_named_with_its_package(text: str | None, install: Callable[..., None]) -> None:
    install("backends", "broken", text)
    (check,) = [check for check in doctor(tried=False) if check.name == "plugins"]
    assert "broken of planted-package 1.2.3" in check.found and "planted-package 1.2.3" in check.problem
    told = fail("train", "broken", "DATA", "--out", "RUN")
    assert "'broken' of package planted-package 1.2.3" in told
    with pytest.warns(plugins.PluginWarning, match="'broken' of package planted-package"):
        assert set(registry.having("score")) == {name for name in registry.names() if name != "broken"}


WHY = ("cannot be read .*", "cannot be imported .*", "has no Model.*", "has no file .*")


@pytest.mark.parametrize(("text", "why"), [*zip(BROKEN, WHY, strict=True)])
def test_the_command_warns_of_a_broken_package_and_lists_all_others(
    text: str | None, why: str, install: Callable[..., None]
) -> None:
    install("backends", "broken", text)
    with pytest.warns(plugins.PluginWarning, match=rf"'broken' of package planted-package 1\S* {why}; left out") as told:
        result = medgen("backends")
    assert result.exit_code == 0 and "endovae: " in result.stdout and "broken" not in result.stdout and len(told) == 1


def test_a_warning_is_one_line_without_a_place_in_the_code() -> None:
    said = _format_warning("package x 1 is left out", plugins.PluginWarning, "file.py", 3)
    assert said == "medgen: warning: package x 1 is left out\n"


def test_a_name_of_medgens_own_is_not_taken(install: Callable[..., None]) -> None:
    install("backends", "endovae", LINEAR)
    with pytest.warns(plugins.PluginWarning, match=r"planted-package 1\.2\.3 is left out of medgen: medgen has 'endovae' itself"):
        assert registry.load("endovae").__module__ == "medgen.backends.endovae"
    assert registry.origin("endovae") == ""


def test_two_packages_of_one_name_are_told_apart(install: Callable[..., None]) -> None:
    install("backends", "linear", LINEAR, "a-package")
    install("backends", "linear", LINEAR, "b-package")
    with pytest.warns(plugins.PluginWarning, match=r"b-package 1\.2\.3 is left out .*: a-package 1\.2\.3 has 'linear', too"):
        assert registry.origin("linear") == "a-package 1.2.3"


def test_a_promise_that_a_backend_breaks_is_named(install: Callable[..., None]) -> None:
    install("backends", "linear", LINEAR.replace("Player((self.encoder, self.decoder)", "Player((self.decoder,)"))
    with pytest.raises(AssertionError, match=r"linear: every weight has exactly one player does not hold\. 2 weights"):
        check_backend("linear", ["model.latents=4"])


def test_draws_that_several_devices_would_not_share_are_named(install: Callable[..., None]) -> None:
    turns = "    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:\n"
    draws = "        batch.image.new_zeros(len(batch)).normal_()\n"
    install("backends", "linear", LINEAR.replace(turns, f"    divides = True\n\n{turns}{draws}"))
    with pytest.raises(AssertionError, match=r"a divided step draws what the whole one does does not hold\. .*`medgen\.ranks`"):
        check_backend("linear", ["model.latents=4"])


def test_a_reader_of_another_package_reads_its_files(install: Callable[..., None], tmp_path: Path) -> None:
    install("readers", "planted", READER)
    pixels = np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3)
    (tmp_path / "a.planted").write_bytes(b"PLANTED" + pixels.tobytes())
    assert images.is_image(tmp_path / "a.planted") and np.array_equal(images.read_image(tmp_path / "a.planted").pixels, pixels)


def test_a_broken_reader_is_left_out(install: Callable[..., None]) -> None:
    install("readers", "planted", "SUFFIXES = frozenset()")
    with pytest.warns(plugins.PluginWarning, match=r"'planted' of package planted-package 1\.2\.3 has no recognises"):
        assert [*images.all_readers()] == [*images.own_readers()]


def test_an_extractor_of_another_package_is_taken_by_its_name(install: Callable[..., None]) -> None:
    install("extractors", "means", NET)
    extractor, frames = load_extractor("means"), torch.rand(2, 3, 8, 8)
    assert extractor.width == 3 and torch.equal(extractor(frames), frames.mean((2, 3)))


@pytest.mark.parametrize("text", ["raise ValueError('x')", "def net(): return 1", NET.replace("mean((2, 3))", "mean()")])
def test_an_extractor_that_is_none_names_its_package(text: str, install: Callable[..., None]) -> None:
    install("extractors", "means", text)
    with pytest.raises((BackendError, MedgenError), match=r"'means' of package planted-package 1\.2\.3"):
        load_extractor("means")
