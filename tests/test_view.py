"""The page of `medgen view`: what it answers, to whom, what it keeps and what it leaves alone."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from commands import fail, succeed
from PIL import Image
from sample_video import write_frames
from untrained import make_frames, make_run

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.in_memory import crop_entries
from medgen.data.preparing.prepare import prepare
from medgen.data.sources import list_source
from medgen.errors import FolderError
from medgen.files import digest_of
from medgen.service.view.app import Server
from medgen.service.view.frames import FrameList
from medgen.service.view.marks import COLUMNS, Marks
from medgen.service.view.viewer import Viewer
from medgen.verbs.in_memory.loaded import LoadedRun

DEEP = 20  # seconds that an answer may take on a busy machine


class Asking:
    """A page that is served, asked as a browser asks it."""

    def __init__(self, address: str) -> None:
        root, _, self.token = address.partition("#token=")
        self.root = f"{root}data/"

    def open(self, path: str, body: bytes | None = None, **headers: str) -> bytes:
        request = urllib.request.Request(self.root + path, body, {"Authorization": f"Bearer {self.token}", **headers})
        with urllib.request.urlopen(request, timeout=DEEP) as answer:
            content: bytes = answer.read()
            return content

    def json(self, path: str, body: bytes | None = None, **headers: str) -> Any:
        return json.loads(self.open(path, body, **headers))

    def status(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.open(path, body, **headers)
        return refused.value.code, refused.value.read().decode()

    def until(self, **wanted: Any) -> dict[str, Any]:
        for _ in range(100 * DEEP):
            state: dict[str, Any] = self.json("state")
            if all(state[name] == value for name, value in wanted.items()):
                return state
            threading.Event().wait(0.01)
        raise AssertionError(f"wanted {wanted}, have {state}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A run that was never trained, its frames without a word on their classes, and a page that shows them."""
    folder = tmp_path_factory.mktemp("view")
    run = make_run(make_frames(folder / "frames"), folder / "run").folder
    plain = folder / "plain"
    plain.mkdir()
    for k, path in enumerate(sorted((folder / "frames/test").rglob("*.png"))):
        (plain / f"{k:02}.png").write_bytes(path.read_bytes())
    (plain / "16.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    np.save(plain / "17.npy", np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8))
    before = {path.name: digest_of(path) for path in plain.iterdir()}
    page = api.view([run], plain, marks=folder / "marks.csv", device="cpu")
    thread = threading.Thread(target=page.run, args=(False,))
    thread.start()
    yield SimpleNamespace(ask=Asking(page.address), run=run, plain=plain, before=before, folder=folder, page=page)
    page.stop()
    thread.join(DEEP)


def names(listed: FrameList) -> list[str]:
    return [frame.shown for frame in listed.part(0, len(listed))]


def test_data_is_for_who_knows_the_token(world: Any) -> None:
    assert world.ask.status("about", Authorization="Bearer of a guess")[0] == 401


def test_another_name_for_this_machine_is_refused(world: Any) -> None:
    assert world.ask.status("about", Host="example.org")[0] == 403


def test_the_page_may_load_its_own_files_and_no_others(world: Any) -> None:
    with urllib.request.urlopen(world.ask.root.removesuffix("data/")) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';") and "unsafe" not in policy


def test_scores_of_the_background_are_those_of_medgen_score(world: Any) -> None:
    world.ask.until(scored=20, listing=False)
    found = {number: score for number, (score, _) in world.ask.json("scores")}
    wanted = api.load(world.run, device="cpu").score(sorted(world.plain.glob("0*.png"))).table["score"]
    assert [found[number] for number in range(10)] == wanted.tolist()


def test_a_file_that_cannot_be_read_has_no_score_and_holds_up_no_other(world: Any) -> None:
    world.ask.until(scored=20, listing=False)
    assert [score for number, (score, _) in sorted(world.ask.json("scores")) if number == 16] == [None]
    assert "truncated" in world.ask.status("frames/16")[1]


def test_each_frame_of_a_file_is_a_frame_of_the_list(world: Any) -> None:
    world.ask.until(frames=20)
    assert [name for name, _, _ in world.ask.json("frames?start=17")] == ["17.npy#0", "17.npy#1", "17.npy#2"]


def test_the_map_is_that_of_the_run(world: Any) -> None:
    world.ask.until(frames=20)
    found = np.frombuffer(world.ask.open("frames/3/runs/0/map"), "<f4").reshape(32, 32)
    (wanted,) = api.load(world.run, device="cpu").maps([world.plain / "03.png"])
    np.testing.assert_array_equal(found, wanted)


def test_a_training_frame_is_the_nearest_one_to_itself(world: Any) -> None:
    frames = len(world.ask.json("frames"))
    own = (world.folder / "frames/train/good/05.png").read_bytes()
    assert world.ask.json("drop?name=own.png", own) == {"added": 1}
    nearest = world.ask.json(f"frames/{frames}/runs/0/nearest")
    assert (nearest["frames"][0]["path"], nearest["frames"][0]["distance"]) == ("train/good/05.png", 0)
    assert nearest["among"] == 8 and nearest["space"] == "latent space of the run"


def test_frames_that_are_dropped_have_the_names_of_their_files_each_its_own(world: Any) -> None:
    before = len(world.ask.json("frames"))
    for number in (0, 1):
        world.ask.json("drop?name=50%2525.png", (world.plain / f"0{number}.png").read_bytes())
    shown = [name for name, _, _ in world.ask.json(f"frames?start={before}")]
    assert shown == ["dropped/50%25.png", "dropped/50%25.png (2)"]


def test_a_file_of_another_kind_is_not_taken(world: Any) -> None:
    code, said = world.ask.status("drop?name=letter.docx", b"text")
    assert code == 422 and "'.docx' is not supported" in said


def test_a_mark_has_its_reader_time_and_note_and_is_read_again(world: Any) -> None:
    world.ask.until(frames=20) if len(world.ask.json("frames")) < 20 else None
    body = json.dumps({"frame": 2, "reader": " =Dr Iris ", "note": "left, below"}).encode()
    made = world.ask.json("marks", body, **{"Content-Type": "application/json"})
    written = pd.read_csv(world.folder / "marks.csv")
    assert [*written.columns] == COLUMNS and written["reader"].tolist() == ["'=Dr Iris"]  # no formula of a spreadsheet
    assert pd.Timestamp(made["marked_at"]).tzinfo is not None
    assert [(mark.path, mark.reader, mark.note) for mark in Marks(world.folder / "marks.csv").all()] == [
        ("02.png", "=Dr Iris", "left, below")
    ]


def test_a_mark_without_a_reader_is_refused(world: Any) -> None:
    body = json.dumps({"frame": 2, "reader": "  "}).encode()
    assert world.ask.status("marks", body, **{"Content-Type": "application/json"})[0] == 422


def test_frames_that_are_named_stay_as_they_are(world: Any) -> None:
    world.ask.until(listing=False)
    assert {path.name: digest_of(path) for path in world.plain.iterdir()} == world.before


def test_what_was_dropped_is_gone_at_the_end(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page = api.view([world.run], marks=tmp_path / "marks.csv", device="cpu")
    thread = threading.Thread(target=page.run, args=(False,))
    thread.start()
    Asking(page.address).until(frames=0)
    Asking(page.address).json("drop?name=../../a/b.png", (world.plain / "00.png").read_bytes())
    (private,) = tmp_path.glob("medgen-view-*")
    assert [path.name for path in private.iterdir()] == ["000001.png"] and private.stat().st_mode & 0o077 == 0
    page.stop()
    thread.join(DEEP)
    assert [*tmp_path.iterdir()] == []


def test_two_programs_that_mark_in_one_file_lose_no_mark(tmp_path: Path) -> None:
    one, other = Marks(tmp_path / "marks.csv"), Marks(tmp_path / "marks.csv")
    one.set("a.png", "Iris", True)
    other.set("b.png", "Iris", True)
    one.set("c.png", "Jo", True)
    one.set("b.png", "Iris", False)
    assert [mark.path for mark in Marks(tmp_path / "marks.csv").all()] == ["a.png", "c.png"]


def test_a_file_that_is_no_table_of_marks_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("path,score\na.png,1\n")
    with pytest.raises(FolderError, match="is there and is no table of marks"):
        Marks(tmp_path / "scores.csv")


def test_name_and_order_say_nothing_of_the_class_unless_labels_are_asked_for(world: Any) -> None:
    model = api.load(world.run, device="cpu")
    blind, seeing = FrameList([model]), FrameList([model], labels=True)
    for listed in (blind, seeing):
        listed.expand(listed.open(world.folder / "frames"))
    assert all(len(name) == 12 and "/" not in name for name in names(blind)) and not {f.label for f in blind.part(0, 99)} - {""}
    assert "test/bad/03.png" in names(seeing) and {f.label for f in seeing.part(0, 99)} == {"normal", "abnormal"}
    classes = ["bad" in frame.path for frame in blind.part(0, len(blind))]
    assert not (all(classes[:8]) or all(classes[-8:]))


def test_few_labels_hide_the_names_of_all_frames(world: Any, tmp_path: Path) -> None:
    for number in range(150):
        Image.new("RGB", (2, 2)).save(tmp_path / f"case{number}.png")
    lines = [f"case{number}.png,{'abnormal' if number in (3, 77) else ''}" for number in range(150)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label", *lines]))
    viewer = Viewer([world.run], tmp_path, marks=tmp_path / "marks.csv", device="cpu")
    viewer._add(viewer._entries)
    assert len(viewer.frames) == 150 and not any("case" in name for name in names(viewer.frames))


def test_a_data_set_shows_its_test_frames_under_their_ids(world: Any) -> None:
    listed = FrameList([api.load(world.run, device="cpu")])
    listed.open(Path(f"folder:{world.folder / 'frames'}"))
    assert len(listed) == 16 and not any("bad" in name or "good" in name for name in names(listed))


def test_a_video_is_listed_as_its_run_would_score_it(world: Any, tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mp4", np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8))
    model: LoadedRun = api.load(world.run, device="cpu")
    listed = FrameList([model])
    listed.expand(listed.open(tmp_path / "a.mp4"))
    assert names(listed) == ["a.mp4#0"] and listed[0].source.picture(listed[0], 64).shape == (64, 64, 3)


def test_files_that_are_cropped_in_memory_have_the_bits_of_a_prepared_set(tmp_path: Path) -> None:
    splits = {"train": 2, "val": 2, "test_normal": 2, "test_abnormal": 2, "width": 160, "height": 160}
    make_phantom(tmp_path / "frames", PhantomSettings(**splits))
    settings = PrepareSettings(size=32, all_test=True)
    wanted = prepare(tmp_path / "frames", tmp_path / "data", settings)
    found = crop_entries(list_source(tmp_path / "frames").entries, settings)
    order = [found.index["path"].tolist().index(path) for path in wanted.index["path"]]
    np.testing.assert_array_equal(found.frames[order], wanted.frames)
    np.testing.assert_array_equal(found.valid[order], wanted.valid)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_command_says_its_address_before_it_shows_the_page_and_ends_when_nobody_looks(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    marks, close = tmp_path / "own.csv", Server.close
    monkeypatch.setattr(Server, "close", lambda page: (click.echo("closed"), close(page)))
    said = succeed("view", str(world.run), str(world.plain), "--no-browser", "--idle", "0", "--marks", str(marks), *form)
    assert "http://127.0.0.1:" in said and "#token=" in said and said.endswith("\nclosed\n") and not marks.exists()


def test_frames_that_are_not_there_are_refused_in_a_line(world: Any, tmp_path: Path) -> None:
    assert "there is no file or folder" in fail("view", str(world.run), str(tmp_path / "nowhere"), "--no-browser")


def test_a_missing_server_is_answered_with_the_extra_to_install(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgen.service.view.view.find_spec", lambda name: None)
    assert "pip install 'medgen[serve]'" in fail("view", str(world.run))


def test_a_thumbnail_is_small_whatever_the_frame(world: Any) -> None:
    with Image.open(BytesIO(world.ask.open("frames/1/thumbnail"))) as picture:
        assert max(picture.size) <= 72
