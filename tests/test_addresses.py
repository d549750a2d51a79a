"""Addresses: what they open, what is normal in it, how it is divided, and that nothing is decoded before it is needed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sources
import torch
from sources import dsprites, folder, frame, medmnist, mnist
from writers import save

from medgen.data.dataset import make_batch
from medgen.data.images import read_image
from medgen.data.native import image_folders
from medgen.data.native.addresses import KINDS, ReadSettings, open_dataset
from medgen.data.prepared import INDEX, Prepared, PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.errors import ConfigError, DataError
from medgen.types import Image


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from now on."""
    seen: list[Path] = []

    def read(path: Path, *how: Any) -> Image:
        seen.append(path)
        return read_image(path, *how)

    monkeypatch.setattr(image_folders, "read_image", read)
    return seen


def refusal(address: str | Path, *normal: str) -> str:
    with pytest.raises((DataError, ConfigError)) as error:
        open_dataset(address, ReadSettings(normal=normal))
    assert "\n" not in str(error.value)
    return str(error.value)


def counts(data: Prepared, *columns: str) -> dict:
    """How many frames there are of each value, or of each combination of values."""
    values = [data.index[column] for column in columns]
    return Counter(values[0]) if len(values) == 1 else Counter(zip(*values, strict=True))


# addresses


def archive(kind: str, root: Path) -> Path:
    names = {"folder": ("good",), "pairs": ("A", "B"), "unpaired": ("A", "B")}
    if kind in names:
        return folder(root / "a.npz", *names[kind])
    return getattr(sources, kind)(root / "a.npz")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_opens_as_a_data_set_like_any_other(kind: str, tmp_path: Path) -> None:
    data = open_dataset(f"{kind}:{archive(kind, tmp_path)}")
    batch = make_batch(data, data.rows()[:3])
    assert list(data.index.columns) == INDEX and len(data.frames) == len(data.valid) == len(data.index)
    assert batch.image.shape == (3, data.channels, data.size, data.size) and batch.valid.all() and batch.mask is None
    assert torch.equal((batch.image * 255).round().byte().permute(0, 2, 3, 1), torch.from_numpy(data.frames[data.rows()[:3]]))


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_address_opens_it_again_from_anywhere(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(kind, tmp_path)
    monkeypatch.chdir(tmp_path)
    data = open_dataset(f"{kind}:a.npz")
    address = data.address
    monkeypatch.chdir("/")
    assert address == f"{kind}:{tmp_path}/a.npz" and open_dataset(address).digest == data.digest


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_rejected_or_known_to_leak(kind: str, tmp_path: Path) -> None:
    data = open_dataset(f"{kind}:{archive(kind, tmp_path)}")
    assert not len(data.rejected()) and list(data.rejected().columns) == ["file", "reason"]
    assert not len(data.leaks()) and list(data.leaks().columns) == ["path", "split", "other", "other_split"]


def test_a_plain_path_is_a_prepared_data_set(tmp_path: Path) -> None:
    prepare(folder(tmp_path / "s", "good"), tmp_path / "p", PrepareSettings(size=16), workers=1)
    data = open_dataset(tmp_path / "p")
    assert data.kind == "" and data.address == str(tmp_path / "p") and open_dataset(data.address).digest == data.digest
    assert "fixed when it was prepared" in refusal(tmp_path / "p", "good")


def test_a_misspelt_kind_gets_the_nearest_right_one() -> None:
    assert "did you mean 'mnist'?" in refusal("mnits:x")


@pytest.mark.parametrize("address", [r"C:\data", "./a:b", "no/a:b"])
def test_a_colon_in_a_path_makes_no_kind(address: str) -> None:
    assert f"there is no folder '{address.removeprefix('./')}'" in refusal(address)


def test_a_path_that_does_not_exist_leads_to_the_nearest_that_does(tmp_path: Path) -> None:
    path = dsprites(tmp_path / "dsprites.npz")
    assert f"did you mean '{path}'?" in refusal(f"dsprites:{tmp_path}/dsprite.npz")
    assert "names no path" in refusal("mnist:")


def test_frames_too_small_for_any_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    save(tmp_path / "good" / "a.png", frame(8))
    assert "'size' is 8" in refusal(f"folder:{tmp_path}")


# what is normal


def test_findings_called_normal_make_all_others_abnormal(tmp_path: Path) -> None:
    data = open_dataset(f"mnist:{mnist(tmp_path)}", ReadSettings(normal=["0", "2"]))
    assert dict(zip(data.index["finding"], data.index["label"], strict=True)) == {
        name: "normal" if name in "02" else "abnormal" for name in "5041927"
    }


def test_where_nobody_says_what_is_normal_labels_are_unknown(tmp_path: Path) -> None:
    data = open_dataset(f"medmnist:{medmnist(tmp_path / 'pathmnist.npz')}")
    assert set(data.index["label"]) == {""} and not len(data.rows("train", "val"))


def test_a_finding_that_does_not_exist_gets_the_nearest_that_does(tmp_path: Path) -> None:
    assert "did you mean 'anime'?" in refusal(f"folder:{folder(tmp_path, 'anime', 'selfie')}", "anmie")


def test_a_star_makes_frames_normal_that_have_no_finding(tmp_path: Path) -> None:
    assert set(open_dataset(f"folder:{folder(tmp_path, '.')}", ReadSettings(normal=["*"])).index["label"]) == {"normal"}


def test_a_frame_without_finding_is_not_called_abnormal(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, '.', 'anime', 'selfie', count=1)}", ReadSettings(normal=["anime"]))
    assert set(zip(data.index["finding"], data.index["label"], strict=True)) == {
        ("", ""), ("anime", "normal"), ("selfie", "abnormal")
    }  # fmt: skip


# splits


def test_frames_that_are_not_normal_are_never_trained_on_nor_calibrate(tmp_path: Path) -> None:
    data = open_dataset(f"medmnist:{medmnist(tmp_path / 'pneumoniamnist.npz')}")
    assert counts(data, "split", "label") == {
        ("train", "normal"): 4, ("unused", "abnormal"): 6, ("val", "normal"): 2, ("test", "normal"): 3, ("test", "abnormal"): 3
    }  # fmt: skip


def test_without_val_a_twentieth_of_the_normal_training_frames_is_val(tmp_path: Path) -> None:
    folder(tmp_path, "train/good", "train/polyps", count=40)
    data = open_dataset(f"folder:{folder(tmp_path, 'test/good', count=3)}")
    assert counts(data, "split") == {"train": 38, "val": 2, "unused": 40, "test": 3}


def test_val_is_at_least_one_frame(tmp_path: Path) -> None:
    assert counts(open_dataset(f"mnist:{mnist(tmp_path)}"), "split") == {"train": 5, "val": 1, "test": 3}


def test_without_any_splits_normals_are_divided_and_all_else_is_test(tmp_path: Path) -> None:
    folder(tmp_path, "good", count=60)
    data = open_dataset(f"folder:{folder(tmp_path, 'polyps', count=5)}")
    assert counts(data, "split", "label") == {
        ("train", "normal"): 54, ("val", "normal"): 3, ("test", "normal"): 3, ("test", "abnormal"): 5
    }  # fmt: skip


def test_splits_depend_on_the_seed_alone(tmp_path: Path) -> None:
    address = f"folder:{folder(tmp_path, 'good', count=60)}"
    first, again, other = (open_dataset(address, ReadSettings(split_seed=seed)) for seed in (0, 0, 1))
    assert first.index.equals(again.index) and first.digest == again.digest
    assert not first.index["split"].equals(other.index["split"]) and first.digest != other.digest


def test_a_group_that_the_source_divides_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, "good", count=2)
    rows = ["good/00.png,train,p1", "good/01.png,test,p1"]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,split,group", *rows]))
    assert "group 'p1' is in several splits" in refusal(f"folder:{tmp_path}")


def test_frames_of_a_patients_folder_are_in_one_split(tmp_path: Path) -> None:
    folder(tmp_path, *(f"normal/patient{number}" for number in range(40)), "polyp/patient0", count=3)
    table = open_dataset(f"folder:{tmp_path}").index.query("label == 'normal'")
    patients = table.groupby(table["path"].str.split("/").str[1])
    assert patients["split"].nunique().eq(1).all() and patients["group"].nunique().eq(1).all()
    assert table["split"].value_counts().to_dict() == {"train": 108, "val": 6, "test": 6}


def test_where_each_patient_has_both_kinds_of_frames_patients_are_shared_out(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, *(f'case{k}/{kind}' for k in range(40) for kind in ('normal', 'polyp')))}")
    patients = data.index["path"].str.split("/").str[0]
    used = data.index["split"] != "unused"
    assert data.index["split"][used].groupby(patients[used]).nunique().eq(1).all()
    assert counts(data, "split", "label") == {
        ("train", "normal"): 144, ("unused", "abnormal"): 152, ("val", "normal"): 8,
        ("test", "normal"): 8, ("test", "abnormal"): 8
    }  # fmt: skip


# folders


def test_opening_decodes_the_first_image_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted(monkeypatch)
    data = open_dataset(f"folder:{folder(tmp_path, 'good')}")
    assert [path.name for path in seen] == ["00.png"] and data.frames.shape == (4, 16, 16, 3)


def test_a_frame_is_decoded_once_where_all_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, 'good')}")
    seen = counted(monkeypatch)
    twice = [data.frames[np.array([2, 1, 2])] for _ in range(2)]
    assert len(seen) == 2 and np.array_equal(*twice)


def test_frames_that_do_not_fit_in_memory_are_decoded_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folders, "CACHED_BYTES", 4 * 16 * 16 * 3 - 1)
    data = open_dataset(f"folder:{folder(tmp_path, 'good')}")
    seen = counted(monkeypatch)
    twice = [data.frames[np.array([2, 1])] for _ in range(2)]
    assert len(seen) == 4 and np.array_equal(*twice)
    assert data.frames[np.array([], dtype=np.int64)].shape == (0, 16, 16, 3)


def test_frames_are_the_pixels_of_the_files(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, 'good')}")
    assert all(np.array_equal(data.frames[k], read_image(tmp_path / path).pixels) for k, path in enumerate(data.index["path"]))


def test_grey_among_colour_is_repeated(tmp_path: Path) -> None:
    grey = frame(channels=1)
    save(folder(tmp_path, "good", count=1) / "good" / "b.png", grey)
    assert np.array_equal(open_dataset(f"folder:{tmp_path}").frames[1], np.stack([grey] * 3, axis=2))


BAD = {
    "is 18 x 18 x 3, the first frame 16 x 16 x 3": frame(18),
    "is 20 x 16 x 3, not square": np.zeros((16, 20, 3), np.uint8),
    "cannot be read (empty file)": None,
}


@pytest.mark.parametrize(("words", "pixels"), BAD.items())
def test_a_frame_unlike_the_first_is_refused_when_it_is_read(tmp_path: Path, words: str, pixels: np.ndarray | None) -> None:
    path = folder(tmp_path, "good", count=1) / "good" / "b.png"
    path.touch() if pixels is None else save(path, pixels)
    data = open_dataset(f"folder:{tmp_path}")
    with pytest.raises(DataError) as error:
        data.frames[np.arange(2)]
    assert f"'good/b.png' {words}" in str(error.value) and f"medgen prepare {tmp_path}" in str(error.value)


def test_colour_among_grey_is_refused(tmp_path: Path) -> None:
    save(folder(tmp_path, "good", count=1) / "good" / "0.png", frame(channels=1))
    with pytest.raises(DataError, match="is 16 x 16 x 3, the first frame 16 x 16 x 1"):
        open_dataset(f"folder:{tmp_path}").frames[1]


def test_a_file_of_several_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    np.save(tmp_path / "good" / "a.npy", np.zeros((3, 16, 16, 3), np.uint8))
    assert "holds several frames" in refusal(f"folder:{tmp_path}")


def test_a_manifest_that_names_no_file_is_refused(tmp_path: Path) -> None:
    (folder(tmp_path, "good") / "manifest.csv").write_text("file\ngood/00.png\ngood/no.png\n")
    assert "1 of 2 images do not exist, the first is 'good/no.png'" in refusal(f"folder:{tmp_path}")


def test_the_digest_tells_another_name_size_or_normal_but_not_another_place(tmp_path: Path) -> None:
    (first := tmp_path / "a").mkdir()
    address = f"folder:{folder(first, 'anime', 'selfie')}"
    digests = [
        open_dataset(address, ReadSettings(normal=["anime"])).digest,
        open_dataset(address, ReadSettings(normal=["selfie"])).digest,
    ]
    moved = first.rename(tmp_path / "b")
    assert open_dataset(f"folder:{moved}", ReadSettings(normal=["anime"])).digest == digests[0] != digests[1]
    save(moved / "anime" / "01.png", frame(20))
    digests.append(open_dataset(f"folder:{moved}", ReadSettings(normal=["anime"])).digest)
    (moved / "anime" / "01.png").rename(moved / "anime" / "0a.png")
    assert open_dataset(f"folder:{moved}", ReadSettings(normal=["anime"])).digest not in digests and len(set(digests)) == 3


def test_real_faces_open_without_decoding_and_train_on_one_domain(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted(monkeypatch)
    data = open_dataset(f"folder:{real_data / 'faces'}", ReadSettings(normal=["anime"]))
    assert len(seen) == 1 and data.frames.shape == (6_800, 64, 64, 3)
    assert counts(data, "split", "finding") == {
        ("train", "anime"): 3_040, ("val", "anime"): 160, ("unused", "selfie"): 3_200,
        ("test", "anime"): 200, ("test", "selfie"): 200,
    }  # fmt: skip
