"""A data set in shards is the data set: the same frames, found wherever they lie; a shard that is not whole is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed
from cut_sets import SHARD, SMALL, make_frames

from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import open_prepared
from medgen.data.preparing.assembling import store
from medgen.data.preparing.prepare import prepare
from medgen.data.scorable import valid_shares
from medgen.data.storage import shards as module
from medgen.data.storage.shuffle import Order
from medgen.errors import DataError
from medgen.verbs.verify import verify


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, and their data set in one file and in shards."""
    root = tmp_path_factory.mktemp("shards")
    make_frames(root)
    prepare(root / "frames", root / "whole", SMALL, 2)
    prepare(root / "frames", root / "cut", SMALL, 2, shards=SHARD)
    return root


@pytest.fixture
def cut(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "cut", tmp_path / "cut"))


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_shards_hold_the_bytes_of_the_whole_files_in_their_order(world: Path) -> None:
    for name in ("frames", "valid", "masks"):
        files = sorted((world / "cut" / "shards").glob(f"{name}-0*.npy"))
        assert len(files) == 5
        assert np.array_equal(np.concatenate([np.load(path) for path in files]), np.load(world / "whole" / f"{name}.npy"))


def test_the_tables_and_the_digest_are_those_of_the_set_in_one_file(world: Path) -> None:
    assert (world / "cut" / "index.csv").read_bytes() == (world / "whole" / "index.csv").read_bytes()
    assert open_prepared(world / "cut").digest == open_prepared(world / "whole").digest


@pytest.mark.parametrize("rows", [0, -1, slice(10, 50, 3), [53, 3, 3, 24, 23], np.array([[0, 1], [2, 47]]), [], ...])
def test_rows_are_indexed_as_those_of_an_array(world: Path, rows: object) -> None:
    cut, whole = open_prepared(world / "cut"), open_prepared(world / "whole")
    assert np.array_equal(cut.frames[rows], whole.frames[rows]) and np.array_equal(cut.valid[rows], whole.valid[rows])


def test_the_share_of_valid_pixels_is_known_without_reading_them(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = open_prepared(world / "whole"), open_prepared(world / "cut")
    monkeypatch.setattr(module.FilesHere, "fill", None)
    rows = whole.rows(originals=False)
    assert np.array_equal(valid_shares(cut, rows), valid_shares(whole, rows))


def test_a_stopped_call_goes_on_behind_the_shards_that_are_whole(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = store._Writer.write

    def stopped(self: store._Writer, files: object, start: int, stop: int) -> object:
        if start == 2 * SHARD and 2 * SHARD not in written:
            written.append(start)
            raise KeyboardInterrupt
        written.append(start)
        return write(self, files, start, stop)  # type: ignore[arg-type]

    monkeypatch.setattr(store._Writer, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare(world / "frames", tmp_path / "cut", SMALL, 2, shards=SHARD)
    prepare(world / "frames", tmp_path / "cut", SMALL, 2, shards=SHARD)
    assert written == [SHARD * k for k in (0, 1, 2, 2, 3, 4)]
    expected = bytes_below(world / "cut")
    assert {name: content for name, content in bytes_below(tmp_path / "cut").items() if name != "prepare.toml"} == {
        name: content for name, content in expected.items() if name != "prepare.toml"
    }


def test_a_set_that_is_stored_otherwise_is_refused_and_stored_anew_when_told(world: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(world / "whole", tmp_path / "out"))
    with pytest.raises(DataError, match="in one file; give --shards"):
        prepare(world / "frames", out, SMALL, 2, shards=SHARD)
    prepare(world / "frames", out, SMALL, 2, overwrite=True, shards=SHARD)
    assert not (out / "frames.npy").exists() and (out / "shards" / "masks-00004.npy").exists()
    prepare(world / "frames", out, SMALL, 2, overwrite=True)
    assert bytes_below(out).keys() == bytes_below(world / "whole").keys()


@pytest.mark.parametrize("name", ["frames-00003.npy", "valid-00000.npy", "masks-00004.npy", "valid-counts.npy"])
def test_a_shard_that_is_missing_is_named(cut: Path, name: str) -> None:
    (cut / "shards" / name).unlink()
    with pytest.raises(DataError, match=f"shards/{name} is missing"):
        open_prepared(cut)


def test_a_shard_that_is_cut_short_is_named(cut: Path) -> None:
    path = cut / "shards" / "frames-00002.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"shards/frames-00002.npy has 36,991 bytes and not those of 12 rows"):
        open_prepared(cut)


def test_a_shard_that_was_altered_is_named_by_verify(cut: Path) -> None:
    path = cut / "shards" / "valid-00004.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ((_, _, _, problems),) = verify(cut)
    assert len(problems) == 1 and problems[0].startswith("not what was prepared: ") and "shards/*-00004.npy" in problems[0]


def test_a_run_does_not_depend_on_how_its_set_is_stored(world: Path) -> None:
    first, other = (
        TrainingBatches(open_prepared(world / name), DataSettings(batch_size=8), 3).epoch(1) for name in ("whole", "cut")
    )
    for batch, same in zip(first, other, strict=True):
        assert batch.index.equal(same.index) and batch.image.equal(same.image) and batch.valid.equal(same.valid)


def test_an_order_by_blocks_has_each_row_once_and_shuffles_neighbours_among_themselves() -> None:
    rows = np.delete(np.arange(1000), [5, 70, 71, 999])
    order = Order(rows, np.random.default_rng(0), together=256).rows
    assert sorted(order.tolist()) == rows.tolist()
    assert max(len({*(order[start : start + 256] // module.BLOCK)}) for start in range(0, 996, 256)) <= 256 // module.BLOCK + 2
    assert not np.array_equal(order, np.sort(order))


def test_an_order_that_shuffles_all_is_a_permutation_of_all() -> None:
    rows = np.arange(300)
    expected = np.random.default_rng(7).permutation(rows)
    assert all(np.array_equal(Order(rows, np.random.default_rng(7), n).rows, expected) for n in (0, 300, 10**6))


def test_what_an_order_announces_is_what_comes_next(world: Path) -> None:
    order = Order(np.arange(1000), np.random.default_rng(1), together=256)
    announced: list[int] = []
    for start in range(512, 1000, 8):  # as after a resume
        announced += order.coming(start, start + 8, first=start == 512).tolist()
        assert {*order.rows[start : start + 8].tolist()} <= {*announced}


def test_an_epoch_from_a_later_step_has_the_batches_of_the_whole_one(world: Path) -> None:
    settings = DataSettings(batch_size=4, shuffle_frames=16)
    batches = TrainingBatches(open_prepared(world / "cut"), settings, 0)
    whole, rest = ([batch.index.tolist() for batch in batches.epoch(2, start)] for start in (0, 6))
    assert rest == whole[6:]


def test_two_devices_share_each_batch_of_the_order(world: Path) -> None:
    batches = TrainingBatches(open_prepared(world / "cut"), DataSettings(batch_size=4, shuffle_frames=16), 0)
    ranks = ([batch.index.tolist() for batch in batches.epoch(0, part=(rank, 2))] for rank in (0, 1))
    whole = [batch.index.tolist() for batch in batches.epoch(0)]
    assert [[a, b, c, d] for (a, c), (b, d) in zip(*ranks, strict=True)] == whole


def test_the_command_stores_shards_and_says_so_when_it_stores_otherwise(world: Path, tmp_path: Path) -> None:
    line = ["prepare", str(world / "frames"), "--out", str(tmp_path / "d"), "--size", "32", "--overlay", "dark"]
    succeed(*line, "--shards", "20")
    assert len([*(tmp_path / "d" / "shards").glob("frames-*.npy")]) == 2
    assert "holds this data set in shards of 20 frames" in fail(*line)
