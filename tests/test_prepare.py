"""The prepared data set: the same bytes for any number of workers, resumable, and strict about what it is handed."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from writers import write_dicom

from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.data.preparing import parallel
from medgen.data.preparing import prepare as module
from medgen.data.preparing.prepare import prepare
from medgen.errors import DataError, FolderError
from medgen.types import Progress

SMALL = PrepareSettings(size=32, copies=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom set with one file that is no image."""
    settings = PhantomSettings(train=40, val=16, test_normal=8, test_abnormal=8, width=180, height=160)
    folder = make_phantom(tmp_path_factory.mktemp("phantom") / "source", settings)
    lines = (folder / "manifest.csv").read_text().splitlines()
    (folder / "normal" / "broken.jpg").write_bytes(b"")
    row = dict.fromkeys(lines[0].split(","), "") | {
        "file": "normal/broken.jpg",
        "finding": "normal",
        "label": "normal",
        "split": "train",
    }
    (folder / "manifest.csv").write_text("\n".join([*lines, ",".join(row.values())]) + "\n")
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_bytes_do_not_depend_on_the_number_of_workers(source: Path, tmp_path: Path) -> None:
    for workers in (1, 4):
        prepare(source, tmp_path / str(workers), SMALL, workers)
    assert digests(tmp_path / "1") == digests(tmp_path / "4")


def test_an_interrupted_run_goes_on_where_it_stopped(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 8)
    prepare(source, tmp_path / "whole", SMALL, 1)
    seen: list[str] = []
    crop_file = module.crop_file

    def crop(entry: object, settings: object, key: object, stop: int) -> object:
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(entry.file)  # type: ignore[attr-defined]
        return crop_file(entry, settings, key)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "crop_file", lambda *values: crop(*values, 30))
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "parts", SMALL, 1)
    done, first = len(seen), list(seen)
    monkeypatch.setattr(module, "crop_file", lambda *values: crop(*values, -1))
    prepare(source, tmp_path / "parts", SMALL, 1)
    assert len(set(first) & set(seen[done:])) < 8 and digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_an_unreadable_file_is_a_row_of_rejected_and_the_run_goes_on(source: Path, tmp_path: Path) -> None:
    data = prepare(source, tmp_path / "d", SMALL)
    assert data.rejected().to_dict("records") == [{"file": "normal/broken.jpg", "reason": data.rejected()["reason"][0]}]
    assert data.rejected()["reason"][0] and len(data.rows()) == 72


def test_copies_are_training_frames_only_and_behind_the_originals(source: Path, tmp_path: Path) -> None:
    data = prepare(source, tmp_path / "d", SMALL)
    copied = data.index[data.index["copy"] == 1]
    assert len(copied) == 40 and set(copied["split"]) == {"train"} and copied.index.min() == 72


def test_two_copies_make_three_frames_of_each(source: Path, tmp_path: Path) -> None:
    data = prepare(source, tmp_path / "d", SMALL.model_copy(update={"copies": 2}))
    assert len(data.rows("train", originals=False)) == 3 * len(data.rows("train"))


def test_masks_lie_where_the_finding_is(source: Path, tmp_path: Path) -> None:
    data = prepare(source, tmp_path / "d", SMALL)
    assert data.masks is not None
    abnormal = data.rows("test")[data.index.loc[data.rows("test"), "label"] == "abnormal"]
    assert data.masks[abnormal].any((1, 2)).all() and not data.masks[data.rows("train")].any()


def test_preparing_again_changes_nothing(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "d", SMALL)
    before = (tmp_path / "d" / "frames.npy").stat().st_mtime_ns
    prepare(source, tmp_path / "d", SMALL)
    assert (tmp_path / "d" / "frames.npy").stat().st_mtime_ns == before


def test_other_settings_in_the_same_folder_are_refused_unless_told(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "d", SMALL)
    other = SMALL.model_copy(update={"size": 40})
    with pytest.raises(DataError, match="--overwrite"):
        prepare(source, tmp_path / "d", other)
    assert prepare(source, tmp_path / "d", other, overwrite=True).frames.shape[1:] == (40, 40, 3)


def test_a_folder_that_holds_something_else_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(FolderError, match="not empty"):
        prepare(source, tmp_path, SMALL)


def test_a_plain_folder_has_no_training_frames_until_they_are_assumed_normal(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    rng = np.random.default_rng(0)
    for k in range(12):
        Picture.fromarray(rng.integers(40, 200, (40, 40, 3)).astype(np.uint8)).save(tmp_path / "frames" / f"{k}.png")
    plain = prepare(tmp_path / "frames", tmp_path / "plain", SMALL)
    assert set(plain.index["split"]) == {"test"} and set(plain.index["label"]) == {""}
    assumed = prepare(tmp_path / "frames", tmp_path / "assumed", SMALL.model_copy(update={"assume": "normal"}))
    assert {"train", "val", "test"} == set(assumed.index["split"])


def test_near_duplicates_without_groups_stay_together(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    rng = np.random.default_rng(0)
    for scene in range(8):
        coarse = rng.integers(40, 200, (8, 8, 3)).astype(np.uint8)
        for k in range(4):
            frame = np.array(Picture.fromarray(coarse).resize((96, 96), Picture.Resampling.BICUBIC)).astype(int)
            Picture.fromarray(np.clip(frame + rng.integers(-3, 4, frame.shape), 0, 255).astype(np.uint8)).save(
                tmp_path / "normal" / f"{scene}-{k}.png"
            )
    index = prepare(tmp_path, tmp_path.parent / "near", PrepareSettings(size=32)).index
    scenes = index["path"].str.extract(r"/(\d)-")[0]
    assert index.groupby(scenes)["group"].nunique().eq(1).all() and index["group"].nunique() == 8


def test_a_truncated_data_set_is_called_damaged(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "d", SMALL)
    (tmp_path / "d" / "frames.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="damaged"):
        open_prepared(tmp_path / "d")


def test_a_folder_of_raw_frames_is_no_prepared_data_set(source: Path) -> None:
    with pytest.raises(DataError, match="medgen prepare"):
        open_prepared(source)


def test_the_real_frames_are_all_read_and_keep_their_splits(real_data: Path, tmp_path: Path) -> None:
    lines = (real_data / "hyperkvasir" / "manifest.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    folder = real_data / "hyperkvasir"
    chosen = [row for split in ("train", "val", "test") for row in [row for row in rows if row[3] == split][:6]]
    for row in chosen:
        for name in (row[0], row[5]):
            if name:
                (tmp_path / "some" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / name, tmp_path / "some" / name)
    (tmp_path / "some" / "manifest.csv").write_text("\n".join([lines[0], *(",".join(row) for row in chosen)]) + "\n")
    data = prepare(tmp_path / "some", tmp_path / "d", PrepareSettings())
    assert [len(data.rows(split)) for split in ("train", "val", "test")] == [6, 6, 6] and not len(data.rejected())


def frame(seed: int) -> Picture.Image:
    blocks = np.random.default_rng(seed).integers(60, 200, (8, 8), dtype=np.uint8)  # no two are alike
    return Picture.fromarray(blocks).resize((64, 64), Picture.Resampling.BILINEAR)


def write(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for k in range(count):
        frame(first + k).save(folder / f"{k:03}.png")


def test_all_frames_of_a_file_stand_in_one_split(tmp_path: Path) -> None:
    (tmp_path / "frames" / "normal").mkdir(parents=True)
    for k in range(6):
        np.save(tmp_path / "frames" / "normal" / f"{k}.npy", np.stack([np.asarray(frame(10 * k + i)) for i in range(5)]))
    index = prepare(tmp_path / "frames", tmp_path / "d", SMALL).index
    assert (index.groupby(index["path"].str.partition("#")[0])["split"].nunique() == 1).all()
    assert set(index["split"]) == {"train", "val", "test"} and index["group"].str.startswith("file:normal/").all()


def test_frames_of_a_long_file_are_shown_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "EVERY", 0.001)
    np.save(tmp_path / "long.npy", np.stack([np.asarray(frame(k)) for k in range(60)]))
    told: list[Progress] = []
    prepare(tmp_path / "long.npy", tmp_path / "d", PrepareSettings(size=32), 1, on_progress=told.append)
    assert {step.values["frames"] for step in told if step.done == 0} & set(range(1, 60))


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """A source with splits of its own, one test frame of which is the next of a training frame's video."""
    write(tmp_path / "s/train/good", 20)
    write(tmp_path / "s/test/good", 5, 100)
    write(tmp_path / "s/test/bad", 5, 200)
    Picture.fromarray(np.asarray(frame(3)) + np.uint8(2)).save(tmp_path / "s/test/good/copy.png")
    return tmp_path / "s"


def test_given_splits_with_a_near_duplicate_across_are_kept_and_it_is_listed(leaking: Path, tmp_path: Path) -> None:
    data = prepare(leaking, tmp_path / "d", SMALL)
    assert set(data.index["split"][data.index["path"].str.startswith("test/")]) == {"test"}
    assert data.leaks()[["path", "other", "other_split"]].to_numpy().tolist() == [
        ["train/good/003.png", "test/good/copy.png", "test"]
    ]


def test_the_test_copy_is_left_out_where_that_is_asked_for(leaking: Path, tmp_path: Path) -> None:
    whole = prepare(leaking, tmp_path / "whole", SMALL)
    data = prepare(leaking, tmp_path / "d", SMALL.model_copy(update={"drop_leaks": True}))
    kept = whole.index["path"] != "test/good/copy.png"
    assert data.index["path"].tolist() == whole.index["path"][kept].tolist()
    np.testing.assert_array_equal(data.frames, whole.frames[kept.to_numpy()])
    rejected = pd.read_csv(tmp_path / "d" / "rejected.csv")
    assert rejected.to_numpy().tolist() == [["test/good/copy.png", "near-duplicate of train/good/003.png in train", "leak"]]


def test_every_file_that_is_not_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "s/normal", 12)
    for name in ("notes.txt", "normal/scan.mrxs", "table.csv"):
        (tmp_path / "s" / name).write_text("x")
    data = prepare(tmp_path / "s", tmp_path / "d", SMALL)
    assert data.rejected()["file"].tolist() == ["normal/scan.mrxs"]
    assert data.ignored()["file"].tolist() == ["notes.txt", "table.csv"]


def test_stated_axes_are_those_of_the_arrays(tmp_path: Path) -> None:
    (tmp_path / "s/normal").mkdir(parents=True)
    for k in range(6):
        np.save(tmp_path / f"s/normal/{k}.npy", np.dstack([np.asarray(frame(10 * k + i)) for i in range(4)]))
    with pytest.raises(DataError, match="HWN"):
        prepare(tmp_path / "s", tmp_path / "d", SMALL)
    data = prepare(tmp_path / "s", tmp_path / "d", SMALL.model_copy(update={"axes": "HWN"}))
    assert len(data.rows()) == 24 and set(data.index["width"]) == {64}


def test_a_patient_that_given_splits_divide_is_listed(tmp_path: Path) -> None:
    for k, split in enumerate(["train"] * 8 + ["test"] * 4):
        path = tmp_path / "s" / split / "normal" / f"{k}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_dicom(path, np.asarray(frame(k).convert("L")), "MONOCHROME2", PatientID="7" if k in (2, 9) else f"patient {k}")
    divided = prepare(tmp_path / "s", tmp_path / "d", SMALL).divided_groups()
    assert divided[["path", "other", "reason"]].to_numpy().tolist() == [["train/normal/2.dcm", "test/normal/9.dcm", "patient"]]


def test_what_a_layout_left_out_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "s/normal", 12)
    write(tmp_path / "s/masks", 1)
    (tmp_path / "s/masks/000.png").rename(tmp_path / "s/masks/of_no_frame.png")
    write(tmp_path / "s/polyp", 2, 50)
    frame(9).save(tmp_path / "s/masks/000.png")
    data = prepare(tmp_path / "s", tmp_path / "d", SMALL)
    assert any("mask" in warning for warning in data.warnings), data.warnings
