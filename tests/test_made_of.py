"""Results are replaced by the same thing made again, and by nothing else: by no other run, frames, split, seed or finding."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sources import folder
from untrained import make_frames, make_run

from medgen import api
from medgen.errors import FolderError
from medgen.outputs.folder import Mark
from medgen.outputs.own_files import check_picture, write_alone, write_picture
from medgen.runs.made_of import made_of
from medgen.runs.run import open_run
from medgen.runs.to_image import png
from medgen.verbs.figures.crop_steps import crop_steps

pytestmark = pytest.mark.usefixtures("blank_charts")

REFUSED = r"is not replaced.*; choose another (--out|place)(, or delete it)?$"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs of one name, A/run and B/run, and two folders of frames of one name, A/new and B/new."""
    made = tmp_path_factory.mktemp("made")
    make_run(f"folder:{make_frames(made / 'frames')}", made / "A" / "run")
    shutil.copytree(made / "A" / "run", made / "B" / "run")
    for name in "AB":
        folder(made / name / "new", "c", count=2, side=32)
    return made


Call = Callable[[Path, str, str, Path], object]  # root, whose run, whose frames, out
CALLS: dict[str, Call] = {
    "report": lambda root, run, _, out: api.report([root / run / "run"], out),
    "report --input": lambda root, run, new, out: api.rank(root / run / "run", root / new / "new", out, top=1),
    "score": lambda root, run, new, out: api.score(root / run / "run", root / new / "new", out, pictures=False),
    "maps": lambda root, run, new, out: api.maps(root / run / "run", root / new / "new", out),
    "reconstruct": lambda root, run, new, out: api.reconstruct(root / run / "run", root / new / "new", out),
    "picture of reconstructions": lambda root, run, new, out: api.reconstruct(
        root / run / "run", root / new / "new", out / "a.png"
    ),
    "sample": lambda root, run, _, out: api.sample(root / run / "run", out, 1),
    "picture of samples": lambda root, run, _, out: api.sample(root / run / "run", out / "a.png", 1),
    "inspect": lambda root, _, new, out: api.inspect(root / new / "new", workers=1).write(out),
    "inspect --steps": lambda root, _, new, out: crop_steps(root / new / "new", out),
    "inspect --figure": lambda root, _, new, out: api.data_figure(root / new / "new", out / "a.png"),
    "audit": lambda root, run, _, out: api.audit(Path(f"folder:{root / 'frames'}"), [root / run / "run"], out),
}
OTHER_RUN = ("report", "sample", "picture of samples", "audit")  # the others are given other frames


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", CALLS)
def test_results_of_another_run_or_other_frames_stay_and_the_same_are_made_again(name: str, root: Path, tmp_path: Path) -> None:
    CALLS[name](root, "A", "A", tmp_path / "out")
    before = contents(tmp_path / "out")
    run, frames = "BA" if name in OTHER_RUN else "AB"
    with pytest.raises(FolderError, match=REFUSED):
        CALLS[name](root, run, frames, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    CALLS[name](root, "A", "A", tmp_path / "out")


def test_runs_of_one_name_do_not_share_the_default_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = api.report([root / "A" / "run"])
    before = page.read_bytes()
    with pytest.raises(FolderError, match=REFUSED):
        api.report([root / "B" / "run"])
    assert page.read_bytes() == before


def test_results_of_another_split_stay(root: Path, tmp_path: Path) -> None:
    frames = Path(f"folder:{root / 'frames'}")
    api.score(root / "A" / "run", frames, tmp_path, pictures=False)
    with pytest.raises(FolderError, match=r"is made of split test, and is not replaced by that of split val; choose"):
        api.score(root / "A" / "run", frames, tmp_path, split="val", pictures=False)


def test_samples_of_another_seed_stay(root: Path, tmp_path: Path) -> None:
    api.sample(root / "A" / "run", tmp_path / "a.png", 1)
    with pytest.raises(FolderError, match=r"seed 0, and is not replaced by that of seed 1"):
        api.sample(root / "A" / "run", tmp_path / "a.png", 1, seed=1)


@pytest.mark.parametrize("content", [b"", b"a thesis", b"\x89PNG\r\n\x1a\n" + b"\xff" * 60])
def test_a_file_that_no_verb_made_is_never_replaced_by_a_picture(content: bytes, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FolderError, match=r"does not say what it is made of, and is not replaced; choose another place"):
        api.sample(root / "A" / "run", tmp_path / "a.png", 1)
    assert (tmp_path / "a.png").read_bytes() == content


def test_a_table_of_names_replaces_its_like_alone(tmp_path: Path) -> None:
    write_alone(tmp_path / "a.csv", b"names")
    write_alone(tmp_path / "a.csv", b"names")
    with pytest.raises(FolderError, match="holds something else and is not replaced"):
        write_alone(tmp_path / "a.csv", b"other")
    assert (tmp_path / "a.csv").read_bytes() == b"names"


def test_a_picture_that_says_what_it_is_made_of_is_still_one(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", png(np.zeros((4, 5), np.uint8)), {"run": "'ä' (1)"})
    with Image.open(tmp_path / "a.png") as picture:
        picture.load()
        assert picture.size == (5, 4) and picture.info["medgen"] == '{"run": "\'\\u00e4\' (1)"}'
    check_picture(tmp_path / "a.png", {"run": "'ä' (1)"})


def test_a_run_that_was_trained_for_longer_is_the_same_run(root: Path, tmp_path: Path) -> None:
    run = open_run(root / "A" / "run")
    train = run.settings.train.model_copy(update={"epochs": 99})
    longer = type(run)(run.folder, run.settings.model_copy(update={"train": train}), run.origin, run.about)
    other = type(run)(run.folder, run.settings.model_copy(update={"backend": "vqvae2"}), run.origin, run.about)
    assert made_of(tmp_path, [run]) == made_of(tmp_path, [longer]) != made_of(tmp_path, [other])


def test_what_moves_together_is_still_the_same(root: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(root, tmp_path / "moved")
    sides = [made_of(at / "out", [open_run(at / "A" / "run")], at / "A" / "new") for at in (root, moved)]
    assert sides[0] == sides[1] and set(sides[0]) == {"run", "data", "split"}


def test_no_path_is_in_what_results_say_of_themselves(root: Path, tmp_path: Path) -> None:
    api.score(root / "A" / "run", root / "A" / "new", tmp_path, pictures=False)
    mark = Mark.read(tmp_path)
    assert mark and mark.finished and mark.of["split"] == "all" and not any("/" in text for text in mark.of.values())


def test_a_picture_of_raw_frames_leaves_what_lies_beside_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "mine.txt").write_text("mine")
    api.reconstruct(root / "A" / "run", root / "A" / "new", tmp_path / "a.png")
    assert {*contents(tmp_path)} == {"prepared/mine.txt", "a.png"}
