"""What was changed in a prepared set behind its back is put right, counted, or refused; nothing of it passes unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sources import frame
from writers import save

from medgen.data.contents import frame_digests
from medgen.data.prepared import TABLE_CHANGED, Prepared, PrepareSettings, open_prepared
from medgen.data.preparing.prepare import prepare
from medgen.errors import DataError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("contents")
    for finding, count in (("normal", 8), ("polyp", 6)):
        for k in range(count):
            for folder in ("F", "M") if finding == "polyp" else ("F",):
                (root / "F" / finding).mkdir(parents=True, exist_ok=True)
                (root / "F" / "masks").mkdir(parents=True, exist_ok=True)
                where = root / "F" / (finding if folder == "F" else "masks") / f"{finding}{k}.png"
                save(where, frame(40, seed=k + 20 * count) if folder == "F" else np.eye(40, dtype=np.uint8) * 255)
    prepare(root / "F", root / "D", PrepareSettings(size=32))
    return root


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "D", tmp_path / "D"))


def rewrite(data: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Prepared:
    table = pd.read_csv(data / "index.csv", keep_default_na=False, dtype=str)
    change(table).to_csv(data / "index.csv", index=False)
    return open_prepared(data)


def test_a_table_that_was_sorted_is_put_in_order(data: Path) -> None:
    before = open_prepared(data)
    after = rewrite(data, lambda table: table.sort_values("label").iloc[::-1])
    assert after.index["path"].tolist() == before.index["path"].tolist()
    assert (after.digest, after.warnings) == (before.digest, before.warnings)


def test_a_table_with_other_ends_of_lines_is_the_same(data: Path) -> None:
    before = open_prepared(data)
    (data / "index.csv").write_bytes((data / "index.csv").read_bytes().replace(b"\n", b"\r\n"))
    assert open_prepared(data).digest == before.digest


def test_a_corrected_label_makes_another_data_set(data: Path) -> None:
    before = open_prepared(data)
    after = rewrite(data, lambda table: table.assign(label=["abnormal", *table["label"][1:]]))
    assert after.index["label"][0] == "abnormal" and after.digest != before.digest and TABLE_CHANGED in after.warnings


@pytest.mark.parametrize("change", [lambda table: table[1:], lambda table: pd.concat([table[:1], table[:-1]])])
def test_a_row_that_is_missing_or_there_twice_is_refused(change: Callable[[pd.DataFrame], pd.DataFrame], data: Path) -> None:
    with pytest.raises(DataError, match=r"rows of index.csv are missing, or stand there twice"):
        rewrite(data, change)


def test_a_row_of_another_frame_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match=r"was changed: '.*' is not what was prepared"):
        rewrite(data, lambda table: table.assign(id=table["id"].to_numpy()[::-1]))


def swapped(array: NDArray) -> None:
    array[[0, -1]] = array[[-1, 0]]


def noisy(array: NDArray) -> None:
    array[3] = ~array[3]


@pytest.mark.parametrize("change", [swapped, noisy])
@pytest.mark.parametrize("name", ["frames", "valid", "masks"])
def test_changed_arrays_are_refused(name: str, change: Callable[[NDArray], None], data: Path) -> None:
    array = np.load(data / f"{name}.npy")
    before = array.copy()
    change(array)
    if np.array_equal(array, before):
        pytest.fail("nothing was changed")
    np.save(data / f"{name}.npy", array)
    with pytest.raises(DataError, match=r"was changed: '.*' is not what was prepared .*prepare it again with --overwrite"):
        open_prepared(data)


def test_masks_that_are_gone_are_noticed(data: Path) -> None:
    (data / "masks.npy").unlink()
    with pytest.raises(DataError, match="was changed"):
        open_prepared(data)


@pytest.mark.parametrize("name", ["rejected.csv", "leaks.csv"])
def test_a_set_that_would_hide_what_was_rejected_or_leaks_is_refused(name: str, data: Path) -> None:
    (data / name).unlink()
    with pytest.raises(DataError, match=rf"^'.*' is damaged \({name} is missing\); prepare it again with --overwrite$"):
        open_prepared(data)


def test_a_table_of_leaks_that_was_changed_is_named(data: Path) -> None:
    with (data / "leaks.csv").open("a") as file:
        file.write("a,train,b,test,near-duplicate\n")
    assert open_prepared(data).warnings[-1] == "leaks.csv was changed after it was written"


def test_a_source_file_replaced_at_equal_size_and_time_is_noticed(made: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(made / "F", tmp_path / "F"))
    data = prepare(source, tmp_path / "D", PrepareSettings(size=32))
    assert prepare(source, tmp_path / "D", PrepareSettings(size=32)).digest == data.digest
    path = source / "normal" / "normal3.png"
    state, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(
        DataError, match=r"'.*normal3.png' has other content than when '.*' was prepared of it; pass --overwrite to do so"
    ):
        prepare(source, tmp_path / "D", PrepareSettings(size=32))


def test_a_set_of_before_digests_opens_as_it_did(data: Path) -> None:
    old = rewrite(data, lambda table: table.drop(columns=["row", "content"]))
    assert len(old.index) == 14


def test_the_digest_is_that_of_id_copy_and_all_arrays() -> None:
    from hashlib import sha256

    index = pd.DataFrame({"id": ["ab"], "copy": [0]})
    pixels, valid = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), np.array([[[True, False], [False, True]]])
    expected = sha256(b"ab 0" + bytes(range(12)) + b"\1\0\0\1").hexdigest()[:16]
    assert frame_digests(index, [pixels, valid]) == [expected]
