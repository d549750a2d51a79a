"""A data set whose files an engine cropped: the bytes of `medgen prepare`, each part once, and one line on each mistake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import fail
from one_by_one import OneByOne
from sources import folder

from medgen import api
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing import prepare as module
from medgen.errors import DataError, MedgenError
from medgen.files import digest_of
from medgen.verbs.spread.partitions import Partition

SMALL = PrepareSettings(size=16)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of two classes, one of which is damaged."""
    root = folder(tmp_path_factory.mktemp("prepare") / "frames", "normal", "polyp", count=10)
    (root / "polyp" / "damaged.png").write_bytes(b"no image")
    return root


@pytest.fixture(autouse=True)
def few_files_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 5)


def digests(data: Path) -> dict[str, str]:
    return {path.name: digest_of(path) for path in data.iterdir() if not path.name.startswith(".")}


def test_the_data_set_is_that_of_one_process_to_the_byte(source: Path, tmp_path: Path) -> None:
    api.prepare(source, tmp_path / "local", SMALL, 1)
    engine = OneByOne()
    api.prepare_archive(str(source), tmp_path / "spread", SMALL, spread=engine)
    assert digests(tmp_path / "spread") == digests(tmp_path / "local") and engine.numbers == [0, 1, 2, 3, 4]


def test_parts_that_were_done_before_a_machine_went_down_are_not_done_again(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="went down"):
        api.prepare_archive(str(source), tmp_path / "out", SMALL, spread=OneByOne(until=3))
    rest = OneByOne()
    api.prepare_archive(str(source), tmp_path / "out", SMALL, spread=rest)
    api.prepare(source, tmp_path / "local", SMALL, 1)
    assert rest.numbers == [3, 4] and digests(tmp_path / "out") == digests(tmp_path / "local")


def test_workers_are_told_paths_that_hold_in_any_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    told: list[Partition] = []

    def elsewhere(open_worker: Any, partitions: Sequence[Partition], **_: Any) -> Iterator[int]:
        told.extend(partitions)
        work = open_worker()
        os.chdir("/")
        for partition in partitions:
            work(partition)
        os.chdir(source.parent)
        yield from (partition.number for partition in partitions)

    data = api.prepare_archive(source.name, Path(os.path.relpath(tmp_path / "out")), SMALL, spread=elsewhere)
    assert len(data.index) == 20 and all(entry.path.is_absolute() for part in told for entry in part.entries)


def test_a_pattern_is_prepared(source: Path, tmp_path: Path) -> None:
    data = api.prepare_archive(f"{source}/**/0[0-4].png", tmp_path / "out", SMALL, spread=OneByOne())
    assert data.index["path"].tolist() == [f"{finding}/0{k}.png" for finding in ("normal", "polyp") for k in range(5)]


def test_a_part_that_a_worker_wrote_elsewhere_is_found_out(source: Path, tmp_path: Path) -> None:
    def nowhere(open_worker: Any, partitions: Sequence[Partition], **_: Any) -> Iterator[int]:
        yield partitions[0].number

    with pytest.raises(MedgenError, match="all machines must see this folder"):
        api.prepare_archive(str(source), tmp_path / "out", SMALL, spread=nowhere)


@pytest.fixture(scope="module")
def stored(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same frames with a manifest that marks some of them, in a folder and in a storage."""
    import fsspec

    root = tmp_path_factory.mktemp("stored") / "frames"
    shutil.copytree(source, root)
    shutil.copytree(source / "normal", root / "masks")
    rows = [f"{path.parent.name}/{path.name}" for path in sorted(root.glob("[np]*/*.png"))]
    marked = [
        f"{file},{file.split('/')[0]},{f'masks/0{k}.png' if k < 5 else ''},{'1 1 4 4' if k == 7 else ''}"
        for k, file in enumerate(rows)
    ]
    (root / "manifest.csv").write_text("\n".join(["file,finding,mask,boxes", *marked]))
    fsspec.filesystem("memory").put(str(root), "/stored", recursive=True)
    return root, "memory://stored"


def test_frames_at_an_address_become_the_data_set_that_they_become_on_a_disk(stored: tuple[Path, str], tmp_path: Path) -> None:
    root, address = stored
    local = api.prepare(root, tmp_path / "local", SMALL, 1)
    spread = api.prepare_archive(address, tmp_path / "spread", SMALL, spread=OneByOne())
    said = digests(tmp_path / "spread"), digests(tmp_path / "local")
    for tables in said:
        tables.pop("prepare.toml")
    assert said[0] == said[1] and local.masks.any() and spread.source == "memory:///stored"  # as fsspec writes it
    assert not any(found.problems for found in api.verify(tmp_path / "spread"))


def test_a_data_set_of_an_address_is_opened_again_until_its_files_change(stored: tuple[Path, str], tmp_path: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("00", "01"):
        system.copy(f"/stored/normal/{name}.png", f"/again/normal/{name}.png")
        system.copy(f"/stored/polyp/{name}.png", f"/again/polyp/{name}.png")
    api.prepare_archive("memory://again", tmp_path / "out", SMALL, spread=OneByOne())
    unused = OneByOne(until=0)
    assert len(api.prepare_archive("memory://again", tmp_path / "out", SMALL, spread=unused).index) == 4 and not unused.numbers
    system.copy("/stored/normal/02.png", "/again/normal/01.png")
    with pytest.raises(DataError, match=r"other frames or settings|other content"):
        api.prepare_archive("memory://again", tmp_path / "out", SMALL, spread=OneByOne())


def test_options_of_another_engine_are_refused(tmp_path: Path) -> None:
    words = ["prepare", tmp_path, "--out", tmp_path / "out"]
    assert "--engine ray has no use for --mnist" in fail(*words, "--engine", "ray", "--mnist", tmp_path)
    assert "--engine local has no use for --address" in fail(*words, "--address", "auto")
