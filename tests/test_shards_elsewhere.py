"""A data set whose shards lie at an address is the one on a disk, fetched as it is needed and kept in a bounded folder."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from commands import fail, succeed
from cut_sets import SHARD, SMALL, make_frames

from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import Prepared, open_prepared
from medgen.data.preparing.elsewhere import prepare_elsewhere
from medgen.data.preparing.prepare import prepare
from medgen.data.storage.elsewhere import ADDRESS, FilesElsewhere
from medgen.errors import ConfigError, DataError, MedgenError
from medgen.verbs.verify import verify

PLACE = "memory://bucket/data"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in shards on a disk."""
    root = tmp_path_factory.mktemp("elsewhere")
    prepare(make_frames(root), root / "cut", SMALL, 2, shards=SHARD)
    return root


@pytest.fixture
def system(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """Storage that holds the same set, and an empty folder for what is fetched."""
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.put(f"{world / 'cut'}/", "/bucket/data", recursive=True)
    yield system
    system.rm("/bucket", recursive=True)


@pytest.fixture
def fetched(system: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files of which something is fetched from now on."""
    names: list[str] = []
    cat_file = system.cat_file

    def noted(path: str, **place: int) -> bytes:
        names.append(path.rpartition("/")[2])
        return bytes(cat_file(path, **place))

    monkeypatch.setattr(type(system), "cat_file", staticmethod(noted))
    return names


def kept(root: Path) -> int:
    return sum(path.stat().st_size for path in (root / "cache").rglob("*") if path.is_file())


def epoch(data: Prepared, **settings: int) -> list[list[int]]:
    batches = TrainingBatches(data, DataSettings(batch_size=4, **settings), 0).epoch(1)  # type: ignore[arg-type]
    return [[*batch.index.tolist(), int(batch.image.sum() * 255)] for batch in batches]


@pytest.mark.usefixtures("system")
def test_the_set_has_the_frames_and_the_digest_of_the_one_on_a_disk(world: Path, tmp_path: Path) -> None:
    here, there = open_prepared(world / "cut"), prepare_elsewhere(PLACE, tmp_path / "data")
    assert here.masks is not None and there.masks is not None
    for array, same in ((here.frames, there.frames), (here.valid, there.valid), (here.masks, there.masks)):
        assert np.array_equal(array[:], same[:])
    assert there.digest == here.digest and verify(tmp_path / "data")[0].problems == ()


def test_what_was_fetched_is_not_fetched_again(fetched: list[str], tmp_path: Path) -> None:
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    first = data.frames[:]
    assert {"frames-00000.npy", "frames-00004.npy"} <= {*fetched}
    fetched.clear()
    assert np.array_equal(open_prepared(tmp_path / "data").frames[:], first) and fetched == ["valid-counts.npy"]


@pytest.mark.usefixtures("system")
def test_an_epoch_is_that_of_the_set_on_a_disk(world: Path, tmp_path: Path) -> None:
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    assert epoch(data, shuffle_frames=16) == epoch(open_prepared(world / "cut"), shuffle_frames=16)


@pytest.mark.usefixtures("system")
def test_no_more_is_kept_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_CACHE_GB", "0.0001")
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    for _ in range(2):
        for row in range(len(data.frames)):
            assert data.frames[row].any()
            assert kept(tmp_path) <= 100_000
    assert kept(tmp_path) > 60_000


@pytest.mark.usefixtures("system")
def test_a_shuffle_that_does_not_fit_into_what_is_kept_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_CACHE_GB", "0.0001")
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    with pytest.raises(
        ConfigError,
        match=r"0.0001 GB are kept, but 0.000164 GB are needed .* set MEDGEN_CACHE_GB=0.1 or a lower data.shuffle_frames",
    ):
        epoch(data, shuffle_frames=32)


@pytest.mark.parametrize("limit", ["much", "0", "nan"])
@pytest.mark.usefixtures("system")
def test_a_limit_that_is_no_number_is_refused(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_CACHE_GB", limit)
    with pytest.raises(ConfigError, match=f"MEDGEN_CACHE_GB={limit} is no number of gigabytes"):
        prepare_elsewhere(PLACE, tmp_path / "data")


def test_a_shard_that_is_missing_there_is_named(system: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    system.rm("/bucket/data/shards/valid-00001.npy")
    with pytest.raises(DataError, match=r"'memory://bucket/data': shards/valid-00001.npy is missing"):
        prepare_elsewhere(PLACE, tmp_path / "data")


def test_storage_that_loses_a_shard_later_is_one_line(system: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    prepare_elsewhere(PLACE, tmp_path / "data")
    data = open_prepared(tmp_path / "data", sample=0)
    for path in (tmp_path / "cache").rglob("0*"):
        path.unlink(missing_ok=True) if path.is_file() else None
    system.rm("/bucket/data/shards/frames-00000.npy")
    with pytest.raises(MedgenError, match=r"^cannot read 'memory://bucket/data/shards/frames-00000.npy': "):
        data.frames[0]


def test_a_set_in_one_file_and_an_empty_place_are_refused(system: fsspec.AbstractFileSystem, world: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no prepared data set at 'memory://bucket'"):
        prepare_elsewhere("memory://bucket", tmp_path / "data")
    text = (world / "cut" / "prepare.toml").read_text()
    system.pipe("/bucket/whole/prepare.toml", text[: text.index("[shards]")].encode())
    with pytest.raises(DataError, match="stored in one file"):
        prepare_elsewhere("memory://bucket/whole", tmp_path / "data")


def test_the_same_call_opens_what_is_there_and_another_address_is_refused(
    system: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    prepare_elsewhere(PLACE, tmp_path / "data")
    written = (tmp_path / "data" / "index.csv").stat().st_mtime_ns
    assert prepare_elsewhere(f"{PLACE}/", tmp_path / "data").digest
    assert (tmp_path / "data" / "index.csv").stat().st_mtime_ns == written
    system.copy("/bucket/data", "/bucket/other", recursive=True)
    with pytest.raises(DataError, match="holds another data set than 'memory://bucket/other'"):
        prepare_elsewhere("memory://bucket/other", tmp_path / "data")


@pytest.mark.usefixtures("system")
def test_another_process_opens_it_anew(tmp_path: Path) -> None:
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    assert np.array_equal(pickle.loads(pickle.dumps(data.frames))[40], data.frames[40])


@pytest.mark.usefixtures("system")
def test_the_command_stores_the_tables_and_takes_no_option_of_preparing(tmp_path: Path) -> None:
    succeed("prepare", PLACE, "--out", str(tmp_path / "data"))
    assert (tmp_path / "data" / ADDRESS).read_text() == f"{PLACE}\n" and not (tmp_path / "data" / "shards").exists()
    assert "leave --size away" in fail("prepare", PLACE, "--out", str(tmp_path / "data"), "--size", "32")


def test_an_address_in_place_of_a_data_set_is_led_to_the_command() -> None:
    assert "`medgen prepare s3://bucket/data --out DATA`, and give DATA" in fail(
        "train", "vae", "s3://bucket/data", "--out", "RUN"
    )


def test_a_block_that_is_announced_twice_is_fetched_once(fetched: list[str], tmp_path: Path) -> None:
    data = prepare_elsewhere(PLACE, tmp_path / "data")
    for path in (tmp_path / "cache").rglob("0*"):
        path.unlink(missing_ok=True) if path.is_file() else None
    fetched.clear()
    rows = np.arange(SHARD)
    for _ in range(2):
        data.frames.soon(rows)  # type: ignore[attr-defined]
    assert len(data.frames[rows]) == SHARD and fetched == ["frames-00000.npy"]
    assert isinstance(data.frames.files, FilesElsewhere)  # type: ignore[attr-defined]
