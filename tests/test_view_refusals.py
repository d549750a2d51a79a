"""What the page of `medgen view` is asked wrongly is answered in a line, and nothing is lost or left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from asking import Client
from untrained import make_frames, make_run

from medgen import api
from medgen.service.view.app import view_app
from medgen.service.view.marks import Marks
from medgen.service.view.viewer import Viewer

TOKEN = {"Authorization": "Bearer token"}
DATA = "/view/data/"


class World(NamedTuple):
    """A page without frames, and the folder into which what is dropped on it goes."""

    client: Client
    run: Path
    dropped: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("view")
    run = make_run(make_frames(folder / "frames"), folder / "run").folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        viewer = Viewer([run, run], None, marks=folder / "marks.csv", device="cpu")
        viewer.start()
    (dropped,) = folder.glob("medgen-view-*")
    yield World(Client(view_app(viewer, "token")), run, dropped)
    viewer.stop()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("GET", "nothing", b"", 404, "there is nothing at this address"),
        ("DELETE", "marks", b"", 405, "this address takes another method"),
        ("GET", "frames/7", b"", 404, "there is no frame 7; there are 0, counted from 0"),
        ("POST", "marks", b'{"frame": NaN, "reader": "Iris"}', 422, "body frame: Input should be a finite number"),
        ("POST", "marks", b'{"frame": 0, "reader": "\\ud800"}', 422, "body reader: "),
        ("POST", "drop?name=a." + "1" * 400, b"x", 422, "is not supported"),
    ],
    ids=["no address", "method", "no frame", "no number", "no text", "long suffix"],
)
def test_a_wrong_question_is_answered_in_a_line(method: str, path: str, body: bytes, status: int, why: str, world: World) -> None:
    json = {"Content-Type": "application/json"}
    answer = world.client.request(method, DATA + path, content=body, headers={**TOKEN, **json})
    assert answer.status_code == status
    assert why in answer.json()["error"]
    assert "bug" not in answer.text


def test_two_runs_of_one_name_are_told_apart(world: World) -> None:
    assert [run["name"] for run in world.client.get(DATA + "about", headers=TOKEN).json()["runs"]] == ["run", "run (2)"]


def test_of_a_file_that_cannot_be_shown_or_never_arrived_nothing_is_kept(world: World) -> None:
    async def broken_off() -> AsyncIterator[bytes]:
        yield b"half a frame"
        raise asyncio.IncompleteReadError(b"", 1)

    assert world.client.post(DATA + "drop?name=a", b"text", headers=TOKEN).status_code == 422
    answer = world.client.post(DATA + "drop?name=b.png", broken_off(), headers=TOKEN)
    assert answer.status_code == 500 and [*world.dropped.iterdir()] == []


def test_a_reader_sees_the_marks_that_another_made_since(tmp_path: Path) -> None:
    one, other = Marks(tmp_path / "marks.csv"), Marks(tmp_path / "marks.csv")
    other.set("b.png", "Iris", True)
    assert [mark.reader for mark in one.all()] == ["Iris"]


def test_a_mark_that_is_made_while_the_table_is_read_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Marks(tmp_path / "marks.csv").set("a.png", "Iris", True)
    read = pd.read_csv

    def read_slowly(*args: Any, **options: Any) -> pd.DataFrame:
        table = read(*args, **options)
        monkeypatch.undo()
        Marks(tmp_path / "marks.csv").set("b.png", "Jo", True)
        return table

    monkeypatch.setattr(pd, "read_csv", read_slowly)
    Marks(tmp_path / "marks.csv").set("c.png", "Iris", True)
    assert [mark.path for mark in Marks(tmp_path / "marks.csv").all()] == ["a.png", "b.png", "c.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of folders there")
def test_readers_who_mark_at_the_same_moment_lose_no_mark(tmp_path: Path) -> None:
    def mark(reader: str) -> None:
        own = Marks(tmp_path / "marks.csv")
        for k in range(15):
            own.set(f"{k}.png", reader, True)

    threads = [threading.Thread(target=mark, args=(reader,)) for reader in ("Iris", "Jo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Marks(tmp_path / "marks.csv").all()) == 30


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal there")
def test_what_was_dropped_goes_when_the_terminal_is_closed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page, ended, late = api.view([world.run], marks=tmp_path / "marks.csv", device="cpu"), threading.Event(), []
    before = signal.signal(signal.SIGHUP, lambda *_: None)

    def close() -> None:
        while not page._server.started:
            ended.wait(0.01)
        signal.raise_signal(signal.SIGHUP)
        if not ended.wait(5):
            late.append(page.stop())

    thread = threading.Thread(target=close)
    thread.start()
    try:
        page.run(browser=False)
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGHUP, before)
    assert not late and not [*tmp_path.iterdir()]
