"""What a call writes into a folder of an earlier one: results of its own alone stay, and no other verb's go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sources import folder
from untrained import make_frames, make_run

from medgen import api
from medgen.errors import FolderError
from medgen.outputs.own_files import LIST, own_files, remove_earlier, write_alone
from medgen.verbs.figures.crop_steps import crop_steps


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    made = make_run(f"folder:{make_frames(root / 'frames')}", root / "run").folder
    shutil.copytree(made, root / "other")
    return made


def call(verb: str, run: Path, count: int, source: Path, out: Path) -> None:
    if verb == "sample":
        api.sample(run, out, count)
    elif verb == "inspect":
        crop_steps(source, out, limit=count)
    else:
        getattr(api, verb)(run, source, out)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def write(root: Path, *names: str) -> None:
    with own_files(root) as writing:
        for name in names:
            writing(name, b"1")


@pytest.mark.parametrize("verb", ["score", "maps", "reconstruct", "sample", "inspect"])
def test_a_folder_holds_what_the_last_call_made_of_its_frames_and_no_more(verb: str, run: Path, tmp_path: Path) -> None:
    source = folder(tmp_path / "source", "a/b", count=3, side=32)
    call(verb, run, 3, source, tmp_path / "out")
    shutil.rmtree(source)
    folder(source, "c", count=2, side=32)
    call(verb, run, 2, source, tmp_path / "out")
    call(verb, run, 2, source, tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")
    assert sum(name.endswith(".png") for name in files(tmp_path / "out")) == (4 if verb == "maps" else 2)


def test_what_a_person_put_among_pictures_stays(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "2.png")
    (tmp_path / "a" / "notes.png").touch()
    write(tmp_path, "2.png", "3.png")
    assert files(tmp_path) == {"a/notes.png", "2.png", "3.png", LIST}


def test_a_folder_that_is_empty_without_an_old_picture_goes(tmp_path: Path) -> None:
    write(tmp_path, "a/b/1.png")
    write(tmp_path, "2.png")
    assert not (tmp_path / "a").exists()


def test_pictures_of_a_call_that_failed_go_with_the_next(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), own_files(tmp_path) as writing:
        writing("half.png", b"1")
        raise ZeroDivisionError
    assert files(tmp_path) == {"half.png", LIST}
    write(tmp_path, "2.png")
    assert files(tmp_path) == {"2.png", LIST}


def test_a_call_that_fails_leaves_earlier_pictures(tmp_path: Path) -> None:
    write(tmp_path, "1.png")
    with pytest.raises(ZeroDivisionError), own_files(tmp_path):
        raise ZeroDivisionError
    assert files(tmp_path) == {"1.png", LIST}


@pytest.mark.parametrize("name", ["../kept.png", "link/kept.png", "{root}/kept.png"])
def test_a_list_from_others_removes_nothing_outside_of_its_folder(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    (tmp_path / "kept.png").touch()
    (out / LIST).write_text(name.format(root=tmp_path) + "\n")
    write(out, "1.png")
    assert (tmp_path / "kept.png").exists()


def test_a_link_among_results_goes_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept.png").touch()
    (tmp_path / "maps").symlink_to(tmp_path / "theirs")
    remove_earlier(tmp_path, "maps", "missing")
    assert files(tmp_path) == {"theirs/kept.png"} and not (tmp_path / "maps").is_symlink()


def test_a_file_alone_takes_the_leftovers_of_its_name_away_and_no_others(tmp_path: Path) -> None:
    for name in (f".a.png.{2**22 + 1}.part", f".b.png.{2**22 + 1}.part"):
        (tmp_path / name).touch()
    write_alone(tmp_path / "a.png", b"1")
    assert files(tmp_path) == {"a.png", f".b.png.{2**22 + 1}.part"}


COMPARISON, PAGE = ("report.html", "metrics.json", "pages"), ("report.html", "metrics.json", "scores.csv")
RANKING, MAPS, SCORES = (*PAGE, "ranks.csv"), ("maps.json", "scores.csv", "scores.toml"), ("scores.csv", "scores.toml")


@pytest.mark.parametrize(
    ("verb", "held"),
    [
        ("report", COMPARISON), ("report", RANKING), ("rank", PAGE), ("rank", COMPARISON), ("compare_runs", PAGE),
        ("score", MAPS), ("maps", SCORES),
    ],
)  # fmt: skip
def test_results_of_another_verb_are_refused_and_stay(verb: str, held: tuple[str, ...], run: Path, tmp_path: Path) -> None:
    for name in held:
        (tmp_path / "out" / name).mkdir(parents=True) if name == "pages" else write_alone(tmp_path / "out" / name, b"theirs")
    of = {"report": ([run],), "compare_runs": ([run, run.parent / "other"],)}.get(verb, (run, run.parent / "frames"))
    with pytest.raises(FolderError, match=r"choose another --out$"):
        getattr(api, verb)(*of, tmp_path / "out")
    assert all((tmp_path / "out" / name).read_bytes() == b"theirs" for name in held if name != "pages")
