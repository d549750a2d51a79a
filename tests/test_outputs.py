"""Output folders: who may write into one, what a killed process left there, and what the next one says or does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread

import pytest

from medgen.errors import FolderError
from medgen.outputs.folder import MARK, is_unfinished, output_folder
from medgen.outputs.leftovers import remove_dead
from medgen.outputs.lock import LOCK, Owner, locked, remove_dead_lock

HOLD = "import sys, time; from pathlib import Path; from medgen.outputs.lock import locked\n"
HOLD += "with locked(Path(sys.argv[1]), 'train'):\n    print('held', flush=True); time.sleep(60)"


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start another process that holds a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def leave(folder: Path, owner: Owner) -> None:
    """Leave the lock file of an owner who has ended, so that the kernel holds nothing."""
    folder.mkdir()
    (folder / LOCK).write_text(json.dumps(asdict(owner)))


def refusal(folder: Path, verb: str = "score", *results: str) -> str:
    with pytest.raises(FolderError) as error, output_folder(folder, verb, results):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_second_process_is_told_who_holds_the_folder_until_that_one_is_killed(tmp_path: Path) -> None:
    first = holder(tmp_path / "out")
    try:
        told = refusal(tmp_path / "out")
        assert f"is in use by `medgen train`, process {first.pid} on {socket.gethostname()}, since 20" in told
        assert "wait for it, or choose another --out" in told
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    with output_folder(tmp_path / "out", "train"):
        assert (Owner.read(tmp_path / "out" / LOCK) or Owner.now("")).process == os.getpid()


def test_a_lock_is_gone_when_its_owner_has_ended(tmp_path: Path) -> None:
    with locked(tmp_path / "out", "score"):
        (tmp_path / "out" / "a").touch()
        assert (tmp_path / "out" / LOCK).is_file()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_a_folder_in_which_nothing_came_to_be_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "a" / "b", "score", ("scores.toml",)):
        raise ZeroDivisionError
    assert not [*tmp_path.iterdir()]


def test_the_same_thread_may_hold_a_folder_twice_and_another_may_not(tmp_path: Path) -> None:
    told: list[str] = []
    with locked(tmp_path, "maps"):
        with locked(tmp_path, "score"):
            pass
        assert (tmp_path / LOCK).is_file()
        other = Thread(target=lambda: told.append(refusal(tmp_path)))
        other.start()
        other.join()
    assert "in use by another thread of this process" in told[0]


@pytest.mark.parametrize(
    "changes",
    [{"process": 2**22 + 1}, {"began": "0"}, {"kernel": "of before the machine was booted again"}],
    ids=["process gone", "number used again", "booted since"],
)
def test_a_stale_lock_is_taken_over_without_the_help_of_the_kernel(
    tmp_path: Path, changes: dict[str, str | int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")  # which has no flock
    leave(tmp_path / "out", replace(Owner.now("score"), **changes))  # type: ignore[arg-type]
    with locked(tmp_path / "out", "score"):
        assert (Owner.read(tmp_path / "out" / LOCK) or Owner.now("")).process == os.getpid()


def test_a_living_owner_is_respected_without_the_help_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")  # which has no flock
    leave(tmp_path / "out", Owner.now("prepare"))
    assert "in use by `medgen prepare`" in refusal(tmp_path / "out")


def test_what_to_do_about_the_lock_of_another_machine_is_said(tmp_path: Path) -> None:
    leave(tmp_path / "out", replace(Owner.now("train"), host="elsewhere", kernel="another"))
    told = refusal(tmp_path / "out")
    assert "on elsewhere" in told and f"if that process has ended, delete '{tmp_path / 'out' / LOCK}' and go on" in told


def test_a_lock_of_which_half_was_written_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"verb": "tr')
    with locked(tmp_path, "score"):
        pass
    assert not (tmp_path / LOCK).exists()


def test_leftovers_of_killed_writes_go_and_what_others_write_stays(tmp_path: Path) -> None:
    for name in (".a.csv.123.part", "below/.b.png.77.part", "theirs/.c.csv.5.part", "kept.part", ".hidden"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "theirs" / LOCK).touch()
    with locked(tmp_path, "score"):
        pass
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {".hidden", f"theirs/{LOCK}", "theirs/.c.csv.5.part", "kept.part"}


def test_the_lock_of_a_dead_process_in_a_folder_below_goes(tmp_path: Path) -> None:
    leave(tmp_path / "scores", replace(Owner.now("score"), process=2**22 + 1))
    with locked(tmp_path, "report"):
        pass
    assert not (tmp_path / "scores" / LOCK).exists()


def test_results_that_are_only_read_lose_the_lock_of_a_dead_process_and_no_other(tmp_path: Path) -> None:
    leave(tmp_path / "scores", replace(Owner.now("score"), process=2**22 + 1))
    leave(tmp_path / "theirs", Owner.now("score"))
    for name in ("scores", "theirs", "missing"):
        remove_dead_lock(tmp_path / name)
    assert not (tmp_path / "scores" / LOCK).exists() and (tmp_path / "theirs" / LOCK).exists()


def test_what_fails_where_results_are_leaves_no_mark(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "out", "train", ("run.toml",)):
        (tmp_path / "out" / "run.toml").touch()
        raise ZeroDivisionError
    assert not (tmp_path / "out" / MARK).exists()


@pytest.mark.parametrize("touched", [False, True])
def test_finished_results_are_unfinished_after_a_failure_that_touched_them_alone(tmp_path: Path, touched: bool) -> None:
    of = {"run": "first"}
    with output_folder(tmp_path / "out", "score", ("scores.csv",), of=of):
        (tmp_path / "out" / "scores.csv").write_text("whole")
    with pytest.raises(ValueError, match="half"), output_folder(tmp_path / "out", "score", ("scores.csv",), of=of):
        if touched:
            (tmp_path / "out" / "scores.csv").write_text("half")
        raise ValueError("half way")
    assert is_unfinished(tmp_path / "out", "score") == touched


def test_a_folder_is_unfinished_until_the_verb_has_ended_well(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), output_folder(tmp_path / "out", "score", ("scores.toml",)):
        (tmp_path / "out" / "maps.npy").touch()
        raise KeyboardInterrupt
    assert is_unfinished(tmp_path / "out", "score")
    assert "was left unfinished by `medgen score`; choose another --out" in refusal(tmp_path / "out", "train", "run.toml")
    with output_folder(tmp_path / "out", "score", ("scores.toml",)):
        (tmp_path / "out" / "scores.toml").touch()
    assert not is_unfinished(tmp_path / "out", "score") and not (tmp_path / "out" / MARK).exists()


def test_what_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    assert "is not empty and holds no result of `medgen score`" in refusal(tmp_path, "score", "scores.toml")
    assert "is a file, no folder" in refusal(tmp_path / "thesis.doc")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_folder_of_pictures_says_whose_it_is(tmp_path: Path) -> None:
    for _ in range(2):
        with output_folder(tmp_path / "out", "sample"):
            (tmp_path / "out" / "0.png").touch()
    assert "is of `medgen sample`" in refusal(tmp_path / "out", "translate")


def test_no_host_is_named_in_what_stays(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out", "sample"):
        (tmp_path / "out" / "0.png").touch()
    assert all(socket.gethostname() not in path.read_text() for path in (tmp_path / "out").iterdir())


def test_where_others_write_too_only_leftovers_of_dead_processes_go(tmp_path: Path) -> None:
    dead, alive = tmp_path / f".a.csv.{2**22 + 1}.part", tmp_path / f".a.csv.{os.getpid()}.part"
    for path in (dead, alive):
        path.touch()
    remove_dead(tmp_path, age=3600)
    assert dead.exists()
    remove_dead(tmp_path)
    assert alive.exists() and not dead.exists()
