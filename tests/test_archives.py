"""Archives as they are published: what is read, what is refused, and in which words."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sources import DIGITS, LABELS, dsprites, idx, medmnist, mnist, noise

from medgen.data.native.archives import Archive, StackedFrames, read_dsprites, read_idx, read_medmnist, read_mnist
from medgen.errors import DataError


def refusal(read: Callable[[Path], Archive], path: Path) -> str:
    with pytest.raises(DataError) as error:
        read(path)
    assert "\n" not in str(error.value)
    return str(error.value)


# frames one behind the other


@pytest.mark.parametrize("rows", [4, -1, slice(2, 8, 3), np.array([7, 0, 5, 5]), np.array([], dtype=np.int64), np.arange(8) > 4])
def test_stacked_arrays_are_indexed_as_if_they_were_one(rows: object) -> None:
    whole = noise(8, 5, 5, 3)
    stacked = StackedFrames([whole[:3], whole[3:4], whole[4:]])
    assert stacked.shape == (8, 5, 5, 3) and len(stacked) == 8
    assert np.array_equal(stacked[rows], whole[rows])  # type: ignore[index]


def test_a_row_behind_the_last_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        StackedFrames([np.zeros((2, 4, 4), np.uint8)])[2]


# MNIST


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("below", [".", "MNIST/raw"])
def test_mnist_is_found_and_read_in_every_form(tmp_path: Path, packed: bool, mark: str, below: str) -> None:
    mnist(tmp_path / below, packed, mark)
    archive = read_mnist(tmp_path)
    assert archive.frames.shape == (9, 28, 28, 1)
    assert np.array_equal(archive.frames[np.arange(9)][..., 0], np.concatenate([*DIGITS.values()]))
    assert archive.table["finding"].tolist() == [*"504192721"]
    assert archive.table["split"].tolist() == ["train"] * 6 + ["test"] * 3
    assert archive.table["path"].tolist()[5:7] == ["train/00005.png", "test/00000.png"]


def test_an_uncompressed_idx_file_is_memory_mapped(tmp_path: Path) -> None:
    assert isinstance(read_idx(mnist(tmp_path) / "t10k-images-idx3-ubyte", 3), np.memmap)


def test_a_gzipped_file_without_its_suffix_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(idx(LABELS["train"])))
    assert np.array_equal(read_idx(tmp_path / "a", 1), LABELS["train"])


def test_a_missing_idx_file_is_named(tmp_path: Path) -> None:
    (mnist(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert "has no 't10k-labels-idx1-ubyte'" in refusal(read_mnist, tmp_path)


GOOD = idx(LABELS["train"])
DAMAGED = {
    "empty": b"",
    "cut in its header": GOOD[:6],
    "of another magic number": b"\x01" + GOOD[1:],
    "of floats": GOOD[:2] + b"\x0d" + GOOD[3:],
    "of three axes": idx(DIGITS["t10k"]),
    "cut": GOOD[:-1],
    "too long": GOOD + b"\0",
    "of nothing": idx(LABELS["train"][:0]),
    "gzipped and cut": gzip.compress(GOOD)[:-9],
    "gzipped with a byte changed": gzip.compress(GOOD)[:-5] + b"\0" + gzip.compress(GOOD)[-4:],
    "gzipped, too long": gzip.compress(GOOD + b"\0"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_idx_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = mnist(tmp_path) / "train-labels-idx1-ubyte"
    path.write_bytes(content)
    assert str(path) in refusal(read_mnist, tmp_path)


def test_a_cut_file_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = mnist(tmp_path) / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    assert "holds 984 bytes of data, its header says 4704" in refusal(read_mnist, tmp_path)  # 6 * 28 * 28; the header has 16


def test_images_and_labels_must_be_as_many(tmp_path: Path) -> None:
    (mnist(tmp_path) / "train-labels-idx1-ubyte").write_bytes(idx(LABELS["t10k"]))
    message = refusal(read_mnist, tmp_path)
    assert "train-images" in message and "holds 6 frames" in message and "3 labels" in message


# dSprites


def test_dsprites_becomes_black_and_white_on_reading(tmp_path: Path) -> None:
    path = dsprites(tmp_path / "d.npz")
    archive = read_dsprites(path)
    with np.load(path) as stored:
        assert np.array_equal(archive.frames[np.array([4, 1])][..., 0], stored["imgs"][[4, 1]] * 255)
    assert archive.frames.shape == (6, 64, 64, 1)


def test_the_shape_is_the_finding(tmp_path: Path) -> None:
    table = read_dsprites(dsprites(tmp_path / "d.npz", 4)).table
    assert table["finding"].tolist() == ["square", "ellipse", "heart", "square"] and set(table["split"]) == {""}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"imgs": np.full((6, 64, 64), 255, np.uint8)}, "reach 255"),
        ({"imgs": np.zeros((6, 64, 64))}, "float64"),
        ({"imgs": np.zeros((6, 64, 32), np.uint8)}, "(6, 64, 32)"),
        ({"latents_classes": np.zeros((5, 6), int)}, "(5, 6)"),
        ({"latents_classes": np.full((6, 6), 3)}, "latents_classes"),
    ],
)
def test_what_is_no_dsprites_is_refused(tmp_path: Path, changed: dict[str, NDArray], word: str) -> None:
    assert word in refusal(read_dsprites, dsprites(tmp_path / "d.npz", **changed))


# MedMNIST


@pytest.mark.parametrize("tail", [(28, 28), (28, 28, 3), (64, 64)])
def test_medmnist_keeps_its_splits_and_classes(tmp_path: Path, tail: tuple[int, ...]) -> None:
    archive = read_medmnist(medmnist(tmp_path / "a.npz", tail))
    with np.load(tmp_path / "a.npz") as stored:
        assert np.array_equal(archive.frames[-1], stored["test_images"][-1].reshape(*tail[:2], -1))
    assert archive.table["split"].value_counts().to_dict() == {"train": 8, "val": 4, "test": 6}
    assert archive.table["finding"].tolist() == [*"01" * 9]


@pytest.mark.parametrize(
    ("name", "normal"),
    [("pneumoniamnist", ("0",)), ("breastmnist_64", ("1",)), ("OCTMNIST_128", ("3",)), ("pathmnist", ()), ("mine", ())],
)
def test_only_where_the_authors_say_it_a_class_is_normal(tmp_path: Path, name: str, normal: tuple[str, ...]) -> None:
    assert read_medmnist(medmnist(tmp_path / f"{name}.npz")).normal == normal


def test_slices_of_a_volume_are_frames_and_one_group(tmp_path: Path) -> None:
    archive = read_medmnist(medmnist(tmp_path / "adrenalmnist3d.npz", (28, 28, 28)))
    with np.load(tmp_path / "adrenalmnist3d.npz") as stored:
        assert np.array_equal(archive.frames[28 + 3][..., 0], stored["train_images"][1, 3])
        assert np.array_equal(archive.frames[-1][..., 0], stored["test_images"][-1, -1])
    assert archive.table["group"].value_counts().to_dict() == {f"volume {k}": 28 for k in range(18)}
    assert archive.table["finding"][28] == "1" and archive.normal == ("0",)


def test_a_finding_of_a_set_with_several_labels_names_all_that_are_set(tmp_path: Path) -> None:
    labels = np.zeros((8, 14), np.uint8)
    labels[1, 4], labels[2, [1, 4]] = 1, 1
    blank = {"val_labels": np.zeros((4, 14), np.uint8), "test_labels": np.zeros((6, 14), np.uint8)}
    archive = read_medmnist(medmnist(tmp_path / "chestmnist.npz", train_labels=labels, **blank))
    assert archive.table["finding"].tolist()[:4] == ["none", "4", "1+4", "none"] and archive.normal == ("none",)


def test_labels_that_are_fewer_than_frames_are_refused(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz", train_labels=np.zeros((7, 1), np.uint8))
    assert "train_labels are (7, 1) for 8 frames" in refusal(read_medmnist, path)


def test_splits_of_different_size_are_refused(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz", val_images=np.zeros((4, 32, 32), np.uint8))
    assert "(28, 28) and of (32, 32)" in refusal(read_medmnist, path)


# npz files


def test_a_missing_array_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    message = refusal(read_medmnist, dsprites(tmp_path / "d.npz"))
    assert "holds imgs, latents_classes, metadata, but no train_images" in message


def test_a_folder_in_place_of_an_npz_leads_to_the_npz_in_it(tmp_path: Path) -> None:
    path = dsprites(tmp_path / "d.npz")
    assert f"did you mean '{path}'?" in refusal(read_dsprites, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", "cut", "changed"])
def test_a_damaged_npz_is_refused_by_name(tmp_path: Path, content: bytes | str) -> None:
    path = dsprites(tmp_path / "d.npz")
    good = path.read_bytes()
    middle = len(good) // 4  # within the compressed frames
    changed = good[:middle] + bytes(byte ^ 255 for byte in good[middle : middle + 64]) + good[middle + 64 :]
    path.write_bytes(content if isinstance(content, bytes) else {"cut": good[: len(good) // 2], "changed": changed}[content])
    assert str(path) in refusal(read_dsprites, path)


def test_nothing_pickled_is_ever_loaded(tmp_path: Path) -> None:
    path = dsprites(tmp_path / "d.npz", imgs=np.array([{"a": 1}] * 6, dtype=object))
    assert "allow_pickle=False" in refusal(read_dsprites, path)


# the real ones


def test_real_mnist_has_the_known_counts_mean_and_first_test_digit(real_data: Path) -> None:
    archive = read_mnist(real_data / "mnist")
    assert archive.table["split"].value_counts().to_dict() == {"train": 60_000, "test": 10_000}
    assert archive.table["finding"][60_000] == "7" and archive.table["finding"][0] == "5"
    assert archive.frames[:60_000].mean() / 255 == pytest.approx(0.1307, abs=5e-5)  # the constant of every MNIST example


def test_real_dsprites_has_a_third_of_each_shape_and_binary_frames(real_data: Path) -> None:
    archive = read_dsprites(real_data / "dsprites" / "dsprites_orientation0_rerender.npz")
    assert archive.table["finding"].value_counts().to_dict() == dict.fromkeys(["square", "ellipse", "heart"], 6_144)
    assert np.unique(archive.frames[:500]).tolist() == [0, 255]


def test_real_pneumoniamnist_has_the_published_counts(real_data: Path) -> None:
    archive = read_medmnist(real_data / "pneumoniamnist" / "pneumoniamnist.npz")
    assert archive.table["split"].value_counts().to_dict() == {"train": 4_708, "val": 524, "test": 624}
    assert archive.normal == ("0",)
