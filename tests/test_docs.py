"""README and docs/: commands run as they stand there, examples are valid, links lead somewhere, and nothing is left out.

Each line of a ```sh block is a command. One of medgen is run; `QUICK` is all that is added to it. One of another program is
checked by what `OTHERS` says of that program; a program that is not named there is an error. The commands of `FIRST` come first,
then those of each page, all in one folder with small synthetic data sets; what a page repeats of it is not run twice.
Figures are left blank there, and comparisons have no PDF: other tests draw them.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
import torch
from commands import succeed
from medgen_cli.main import main
from pydantic import BaseModel
from sample_video import write_frames
from sources import frame, idx, medmnist, noise, side_by_side
from untrained import save_lite
from writers import save, write_dicom

from medgen import api, registry
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.errors import MedgenError
from medgen.runs.run import RunSettings

ROOT = Path(__file__).parents[1]
RECIPES, STUDIES = ({*(ROOT / "configs").glob(f"{name}*.toml")} for name in ("", "study-"))
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
TEXT = "\n".join(PAGES.values())
LINKED = [*ROOT.glob("*.md"), *(page for name in ("docs", "findings", "reports") for page in (ROOT / name).rglob("*.md"))]
FIRST = "own-frames"  # the page whose commands make what those of all others start from
SCREENS = 60  # lines of the README at the most
PHANTOM = {"train": 16, "val": 20, "test_normal": 8, "test_abnormal": 16, "width": 160, "height": 160}
QUICK: Mapping[str, list[str]] = {
    "prepare": ["--size", "32"],
    "train": ["--epochs", "1"],
    "train pix2pix": ["--set", "model.width=8", "--set", "model.critic_width=8"],
    "train cyclegan": ["--set", "model.generator_width=8", "--set", "model.critic_width=8"],
    "fid": ["--n", "8"],
    "view": ["--no-browser", "--idle", "0"],
    "sample": ["-n", "8"],
    "serve": ["--port", "0", "--check"],
    "compare DATA": ["--seeds", "1", "--set", "train.epochs=2", "--jobs", "1"],  # what several jobs do: test_compare_jobs.py
}


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Return the lines of a page's shell blocks, without their comments."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def run(line: str) -> None:
    """Run a command of medgen, or check one of another program, in the working folder."""
    program, *words = shlex.split(line)
    if program != "medgen":
        assert program in OTHERS, f"neither a command of medgen nor of a known program: {line}"
        OTHERS[program](words)
        return
    succeed(*words, *QUICK.get(words[0], []), *QUICK.get(" ".join(words[:2]), []))
    if "--out" in words:
        assert Path(words[words.index("--out") + 1]).exists(), line


def is_target(words: list[str]) -> None:
    """Check `make TARGET`, which would install an environment; what the targets run has tests of its own (test_demo.py)."""
    assert all(re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for word in words), words


def is_required(words: list[str]) -> None:
    """Check `pip install`: what it names are medgen's own optional dependencies, at the versions that are tested."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {f"medgen[{name}]" for name in extras} | {requirement for names in extras.values() for requirement in names}
    assert words[0] == "install" and {word for word in words[1:] if not word.startswith("--")} <= known, words


def is_demo(words: list[str]) -> None:
    """Check the browser, which a machine need not have: it shows the page that `make demo` leaves, as the README says."""
    assert words[-1] == "demo/report/report.html" and words[-1] in PAGES["README"], words


def is_archive(words: list[str]) -> None:
    """Check the unpacking of an archive into the folder that the next commands read."""
    assert words[0].endswith(".zip") and Path(words[words.index("-d") + 1]).is_dir(), words


OTHERS: Mapping[str, Callable[[list[str]], None]] = {
    "make": is_target,
    "pip": is_required,
    "chromium": is_demo,
    "unzip": is_archive,
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder, which is the working folder of this module's tests."""
    folder = tmp_path_factory.mktemp("docs") / "here"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def world(here: Path, quick: None) -> Path:
    """The folder in which the commands of the first page were run, with all that the pages' examples name besides."""
    make_phantom(Path("FRAMES"), PhantomSettings(**PHANTOM))
    manifest = pd.read_csv("FRAMES/manifest.csv")
    manifest.assign(hospital=["north", "south"] * (len(manifest) // 2)).to_csv("FRAMES/manifest.csv", index=False)
    Path("NEW").symlink_to("FRAMES/polyp")
    Path("OTHER").symlink_to("FRAMES")
    Path("configs").symlink_to(ROOT / "configs")
    Path("../shared/data").mkdir(parents=True)
    Path("../shared/data/hyperkvasir").symlink_to(here / "FRAMES")
    Path("DIR").mkdir()
    side_by_side(Path("DIR"))
    for finding in ("normal", "polyp"):
        (Path("SQUARES") / finding).mkdir(parents=True)
        for k in range(8):
            save(Path("SQUARES") / finding / f"{k}.png", frame(32, seed=2 * k + len(finding) % 2))
    medmnist(Path("pneumoniamnist.npz"))
    Path("MNIST").mkdir()
    for seed, split in enumerate(("train", "t10k")):
        Path(f"MNIST/{split}-images-idx3-ubyte").write_bytes(idx(noise(24, 28, 28, seed=seed)))
        Path(f"MNIST/{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(24, dtype=np.uint8) % 2))
    Path("BSDS").mkdir()
    save(Path("BSDS/1.jpg"), noise(60, 40, 3))
    save_lite(Path("OWN.safetensors"))
    Path("HYPERKVASIR").symlink_to("FRAMES")
    Path("SCANS").mkdir()
    for k in range(6):
        write_dicom(Path(f"SCANS/{k}.dcm"), frame(64, seed=k)[..., 0], "MONOCHROME2", PatientID=str(k))
    write_frames(Path("PROCEDURE.mp4"), np.stack([frame(96, seed=k) for k in range(6)]))
    for line in commands(FIRST):
        run(line)
    Path("demo").mkdir()
    for name, made in {"source": "FRAMES", "prepared": "DATA", "run": "RUN"}.items():  # what `make demo` would leave
        Path("demo", name).symlink_to(here / made)
    run("medgen prepare FRAMES --out ELSEWHERE")
    return here


@pytest.mark.parametrize("page", [page for page in PAGES if page != FIRST and commands(page)])
def test_the_commands_of_a_page_run_in_their_order(page: str, world: Path) -> None:
    for line in commands(page):
        if line not in commands(FIRST):
            run(line)


def test_the_commands_of_the_first_page_leave_what_it_says(world: Path) -> None:
    expected = ("reports/runs/RUN/report.html", "SCORES/scores.csv", "SCORES/maps", "MAPS/overlays", "STUDY/report.html", "AUDIT")
    assert [name for name in expected if not (world / name).exists()] == []


def test_the_readme_fits_two_screens() -> None:
    assert len(PAGES["README"].splitlines()) <= SCREENS


@pytest.mark.parametrize("backend", registry.names())
def test_every_backend_is_in_the_table_of_backends(backend: str) -> None:
    assert re.search(rf"^\| `{backend}` \| ", PAGES["backends"], re.MULTILINE)


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_and_each_of_its_options_is_named(name: str) -> None:
    assert f"`medgen {name}`" in PAGES["index"]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option for option in options if not any(map(is_named, [*option.opts, *option.secondary_opts]))] == []


def is_named(option: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){option}(?![\w-])", TEXT))


def keys(settings: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted names of all settings; [model] is each backend's own."""
    found = []
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        elif name not in ("backend", "model"):
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.parametrize("key", keys(RunSettings))
def test_every_setting_of_a_run_is_named(key: str) -> None:
    assert re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", TEXT)


@pytest.mark.parametrize("name", sorted({*PrepareSettings.model_fields} - {"augment", "intensity_range", "intensity_convention"}))
def test_every_setting_of_a_prepared_data_set_is_an_option(name: str) -> None:
    assert f"`--{name.replace('_', '-')} " in PAGES["frames"]


@pytest.mark.parametrize("given", sorted({*re.findall(r"`(?:--set )?((?:model|data|train|watch|scoring)\.[\w.]+=[^`]+)`", TEXT)}))
def test_every_setting_that_is_shown_is_understood_as_a_shell_passes_it(given: str) -> None:
    (assignment,) = shlex.split(given)
    refused = {}
    for backend in registry.names():
        try:
            api.recipe(backend, None, (assignment, "scoring.residual_distance=true"))  # which some of them need
            return
        except MedgenError as error:
            refused[backend] = error
    pytest.fail(f"{given}: {refused['vae']}")


def test_the_study_file_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "study.toml").write_text(blocks("comparing", "toml")[0])
    recipes = api.read_study(tmp_path / "study.toml").recipes().values()
    assert [settings.model.get("latents") for settings in recipes] == [None, 64]


def test_the_study_file_of_several_data_sets_is_understood(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(blocks("comparing", "toml")[1])
    assert len(api.read_study(tmp_path / "study.toml").parts()) == 8


def test_the_first_python_example_names_what_exists() -> None:
    nodes = ast.walk(ast.parse(blocks("python", "python")[0]))
    assert all(hasattr(api, node.attr) for node in nodes if isinstance(node, ast.Attribute))


@pytest.fixture(scope="module")
def examples(world: Path) -> dict[str, Any]:
    """What the names of the page on Python stand for, once its examples have run; the first one is what made DATA and RUN."""
    names: dict[str, Any] = {"Path": Path}
    for block in blocks("python", "python")[1:]:
        exec(block, names)
    return names


def test_the_python_examples_score_reconstruct_and_localise(examples: dict[str, Any]) -> None:
    assert len(examples["scores"]) == len(examples["maps"]) == len(examples["found"]) == len(examples["frames"])
    assert examples["maps"][0].shape == examples["frames"][0].shape[:2] and examples["healthy"].shape[1:] == (32, 32, 3)
    assert {*examples["decisions"]} <= {-1, 1}


def test_the_examples_with_monai_leave_crops_a_batch_and_a_bundle(examples: dict[str, Any], world: Path) -> None:
    found = examples["crops"]({"image": str(next((world / "FRAMES" / "normal").iterdir()))})
    assert found["image"].shape == (3, 96, 96) and found["image_valid"].dtype == torch.bool
    assert examples["batch"]["image"].shape == (4, 3, 32, 32) and (world / "BUNDLE/configs/inference.json").is_file()


@pytest.mark.parametrize("page", LINKED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_or_heading_of_the_repository_leads_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    for link in ("".join(either) for either in links):
        if not link.startswith(("https:", "http:", "mailto:")):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def headings(page: Path) -> set[str]:
    """Return the names by which the headings of a page are linked to."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_page_is_reached_from_the_first_one() -> None:
    assert [page for page in PAGES if page not in ("README", "index") and f"]({page}.md)" not in PAGES["index"]] == []


@pytest.mark.parametrize("recipe", sorted(RECIPES - STUDIES), ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_says_its_command(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    backend = re.search(r'^backend = "([\w-]+)"', text, re.MULTILINE)
    assert backend and api.recipe(backend[1], recipe) and text.startswith("# medgen ")


@pytest.mark.parametrize("study", sorted(STUDIES), ids=lambda path: path.stem)
def test_every_study_is_valid_and_says_its_command(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert api.read_study(study).recipes() and study.read_text(encoding="utf-8").startswith("# medgen ")
