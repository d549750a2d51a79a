"""An archive in partitions: the numbers of `medgen score`, each partition once whatever happens, and one line on each mistake.

An engine that does one partition after the other stands for Ray, which is asked once, where it is installed; tables are kept as
pandas has them, so that nothing else is needed. `tests/soak/ray_archive.py` kills workers and nodes.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import fail, medgen
from one_by_one import OneByOne
from untrained import make_frames, make_run

from medgen import api
from medgen.data.prepared import PrepareSettings, read_table
from medgen.errors import ConfigError, FolderError, MedgenError, RunError
from medgen.runs.run import open_run
from medgen.verbs.spread import on_ray, score, scorer
from medgen.verbs.spread.on_ray import OnRay
from medgen.verbs.spread.partitions import Partition, files_at_once, partitions_of
from medgen.verbs.spread.score import ScoredArchive
from medgen.verbs.spread.sources import list_archive

FILES = 4  # in a partition
DAMAGED = [f"bad/damaged-{k}.png" for k in range(5)]  # one partition holds nothing else


def write_pickle(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    table.to_pickle(path)


@pytest.fixture(scope="module")
def tables_of_pandas() -> Iterator[pytest.MonkeyPatch]:
    """Tables as pandas keeps them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (score, scorer):
            patch.setattr(module, "write_part", write_pickle)
        patch.setattr(score, "read_part", pd.read_pickle)
        patch.setattr(score, "give_one_schema", len)
        patch.setattr(score, "find_spec", lambda name: True)
        yield patch


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tables_of_pandas: pytest.MonkeyPatch) -> Path:
    """A run, frames of which some are damaged, and what `medgen score` says of them."""
    root = tmp_path_factory.mktemp("spread")
    frames = make_frames(root / "frames")
    api.prepare(frames, root / "data", PrepareSettings(size=32))
    run = make_run(str(root / "data"), root / "run").folder
    for name in DAMAGED:
        (frames / "test" / name).write_bytes(b"no image")
    (frames / "test" / "scan.heic").write_bytes(b"of another format")
    api.score(run, frames / "test", root / "local", pictures=False)
    return root


def scored(world: Path, out: Path, engine: Any = None, **chosen: Any) -> pd.DataFrame:
    """Score the frames; return all tables as one."""
    source = chosen.pop("source", str(world / "frames" / "test"))
    api.score_archive(chosen.pop("run", world / "run"), source, out, partition=FILES, spread=engine or OneByOne(), **chosen)
    return joined(out)


def joined(out: Path) -> pd.DataFrame:
    return pd.concat([pd.read_pickle(path) for path in sorted((out / "scores").iterdir())], ignore_index=True)


@pytest.fixture(scope="module")
def whole(world: Path) -> Path:
    """The archive with its maps, scored without a hitch."""
    scored(world, world / "whole", maps=True)
    return world / "whole"


def test_scores_are_those_of_one_process_in_its_order(world: Path, whole: Path) -> None:
    expected, found = read_table(world / "local" / "scores.csv"), joined(whole)
    for name in ("id", "path", "label", "finding", "split", "status", "score", "quantile", "abnormal"):
        assert found[name].tolist() == expected[name].tolist(), name


def test_maps_are_those_of_one_process_and_have_their_place(world: Path, whole: Path) -> None:
    maps = [np.load(path) for path in sorted((whole / "maps").iterdir())]
    assert np.concatenate(maps).tobytes() == np.load(world / "local" / "maps.npy").tobytes()
    assert (joined(whole)["right"] > joined(whole)["left"]).all()


def test_rejected_files_are_named_with_the_reasons_of_one_process(world: Path, whole: Path) -> None:
    assert (whole / "rejected.csv").read_text() == (world / "local" / "rejected.csv").read_text()


def test_what_was_done_before_a_machine_went_down_is_not_done_again(world: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="went down"):
        scored(world, tmp_path / "out", OneByOne(until=2))
    rest = OneByOne()
    table = scored(world, tmp_path / "out", rest)
    assert rest.numbers == [2, 3, 4, 5]
    pd.testing.assert_frame_equal(table, joined(whole)[table.columns])


def test_what_a_killed_worker_left_is_gone_when_all_is_done(world: Path, whole: Path) -> None:
    out = Path(shutil.copytree(whole, world / "littered"))
    (out / "maps" / ".part-0000003.npy.99999.part").write_bytes(b"half of")
    (out / "partitions" / "part-0000003.json").unlink()
    scored(world, out, maps=True)
    assert sorted(path.name for path in (out / "maps").iterdir()) == sorted(path.name for path in (whole / "maps").iterdir())


def test_a_partition_whose_table_is_gone_is_done_again(world: Path, whole: Path) -> None:
    out = Path(shutil.copytree(whole, world / "holed"))
    (out / "scores" / "part-0000003.parquet").unlink()
    engine = OneByOne()
    scored(world, out, engine, maps=True)
    assert engine.numbers == [3]


def test_a_threshold_that_was_moved_decides_anew_and_scores_nothing_again(world: Path, whole: Path, tmp_path: Path) -> None:
    run, out, engine = tmp_path / "run", tmp_path / "whole", OneByOne()
    shutil.copytree(world / "run", run)
    shutil.copytree(whole, out)  # which lies to the run as before
    value = api.set_threshold(run, 0.5)["value"]
    found = scored(world, out, engine, run=run, maps=True)["abnormal"].tolist()
    assert not engine.numbers and found == (joined(whole)["score"] > value).tolist() != joined(whole)["abnormal"].tolist()


def test_partitions_of_other_frames_are_refused(world: Path, whole: Path) -> None:
    with pytest.raises(FolderError, match="is made of frames"):
        scored(world, whole, maps=True, source=str(world / "frames" / "val"))


def test_a_worker_that_writes_elsewhere_is_found_out(world: Path, tmp_path: Path) -> None:
    def nowhere(open_worker: Any, partitions: Sequence[Partition], **_: Any) -> Iterator[int]:
        yield partitions[0].number

    with pytest.raises(MedgenError, match="a folder that all machines see"):
        scored(world, tmp_path / "out", nowhere)


def test_a_run_of_whole_frames_is_refused(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(world / "run")
    other = replace(run, origin=run.origin.model_copy(update={"kind": "folder"}))
    monkeypatch.setattr(score, "open_run", lambda folder: other)
    with pytest.raises(RunError, match="frames are taken whole"):
        scored(world, tmp_path / "out")


def test_partitions_are_smaller_where_crops_are_larger() -> None:
    assert [files_at_once(PrepareSettings(size=size)) for size in (32, 96, 512, 1024)] == [1000, 404, 14, 3]


def test_partitions_hold_every_file_once_in_order(world: Path) -> None:
    archive = list_archive(str(world / "frames" / "test"))
    held = [entry for part in partitions_of(archive, FILES) for entry in part.entries]
    assert held == archive.listing.entries


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'medgen\[ray\]'"):
        OnRay()


def test_a_cluster_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"  # nobody listens there
        with pytest.raises(ConfigError, match=f"no Ray cluster answers at '{address}'"):
            on_ray.check_answers(address)


def test_a_client_is_refused_as_ray_data_cannot_be_led_by_one() -> None:
    with pytest.raises(ConfigError, match="cannot be led by a Ray client"):
        on_ray.check_answers("ray://127.0.0.1:10001")


@pytest.mark.parametrize("kept", ["file", "variable", "nowhere"])
def test_a_token_that_this_machine_keeps_is_shown_to_a_cluster(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if kept == "file":
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("any")
    elif kept == "variable":
        monkeypatch.setenv("RAY_AUTH_TOKEN", "any")
    on_ray.show_token()
    assert os.environ.get("RAY_AUTH_MODE") == (None if kept == "nowhere" else "token")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "ray", "--no-pictures"], "--engine ray has no use for --pictures"),
        (["--engine", "ray", "--split", "val"], "--engine ray has no use for --split"),
        (["--workers", "2"], "--engine local has no use for --workers"),
    ],
)
def test_options_of_another_engine_are_refused(options: list[str], said: str, tmp_path: Path) -> None:
    assert said in fail("score", tmp_path, tmp_path, "--out", tmp_path / "out", *options)


def test_an_address_without_an_engine_for_it_is_refused(tmp_path: Path) -> None:
    assert "read by --engine ray alone" in fail("maps", tmp_path, "s3://bucket/frames", "--out", tmp_path / "out")


def test_the_commands_of_the_page_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[1] / "docs" / "archives.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
    asked = list[str]()

    def score_archive(run: Path, source: str, out: Path, **_: Any) -> ScoredArchive:
        asked.append(source)
        return ScoredArchive(1, 1, 1, 0, 0, 0, 1)

    def prepare_archive(source: str, *_: Any, **__: Any) -> None:
        asked.append(source)
        raise MedgenError("as asked")

    monkeypatch.setattr(api, "score_archive", score_archive)
    monkeypatch.setattr(api, "prepare_archive", prepare_archive)
    for line in lines:
        program, *words = shlex.split(line, comments=True)
        assert program == "medgen" and (medgen(*words).exit_code == 0 or words[0] == "prepare"), line
    assert len(asked) == len(lines) and {"s3://BUCKET/FRAMES", "TABLE.parquet"} < {*asked}


@pytest.mark.skipif(not find_spec("ray"), reason="medgen[ray] is not installed")
def test_ray_leaves_what_one_process_does(world: Path, tmp_path: Path, tables_of_pandas: pytest.MonkeyPatch) -> None:
    tables_of_pandas.undo()
    words = ["--engine", "ray", "--workers", "2", "--partition", FILES, "--out", tmp_path / "out"]
    assert "16 of 16 frames of 21 files have a score" in medgen("score", world / "run", world / "frames" / "test", *words).output
    expected, found = read_table(world / "local" / "scores.csv"), pd.read_parquet(tmp_path / "out" / "scores")
    assert found["path"].tolist() == expected["path"].tolist() and found["score"].tolist() == expected["score"].tolist()
