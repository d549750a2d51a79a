"""The statistics of a source against counts by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from commands import fail
from sources import medmnist

from medgen import api
from medgen.data.preparing.inspect import Inspection, inspect_source
from medgen.data.preparing.size_trap import size_sentences
from medgen.errors import DataError
from medgen.types import Progress

DRAW = np.random.default_rng(11)


def save(path: Path, width: int = 40, height: int = 30, grey: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = PIL.Image.fromarray(DRAW.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((width, height))
    small.convert("L" if grey else "RGB").save(path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Normal frames of 40 x 30, abnormal ones of 60 x 30; one empty file, one text, two copies, one near duplicate."""
    folder = tmp_path / "source"
    for k in range(12):
        save(folder / f"train/normal/{k:02}.png")
        save(folder / f"test/polyps/{k:02}.png", width=60)
    shutil.copy(folder / "train/normal/00.png", folder / "train/normal/copy.png")
    shutil.copy(folder / "train/normal/01.png", folder / "test/polyps/leak.png")
    pixels = np.asarray(PIL.Image.open(folder / "test/polyps/03.png"))
    PIL.Image.fromarray((pixels * 0.95).astype(np.uint8)).save(folder / "test/polyps/near.png")
    (folder / "train/normal/empty.jpg").touch()
    (folder / "test/polyps/text.jpg").write_text("no image")
    return folder


def test_frames_are_counted_for_each_class(source: Path) -> None:
    rows = inspect_source(source).classes.to_dict("split")["data"]
    assert rows == [["normal", "normal", "train", 13], ["polyps", "abnormal", "test", 14]]


def test_sizes_are_counted_for_each_class_the_most_frequent_first(source: Path) -> None:
    rows = inspect_source(source).sizes.to_dict("split")["data"]
    assert rows == [["normal", 40, 30, 13], ["polyps", 60, 30, 13], ["polyps", 40, 30, 1]]


def test_unreadable_files_are_listed_with_their_reasons(source: Path) -> None:
    rows = inspect_source(source).rejected.to_dict("split")["data"]
    assert rows == [
        ["test/polyps/text.jpg", "is not an image inside, although it is named .jpg", "rejected"],
        ["train/normal/empty.jpg", "empty file", "rejected"],
    ]


def test_duplicates_are_listed_with_their_splits(source: Path) -> None:
    rows = inspect_source(source).duplicates.to_dict("split")["data"]
    assert [row[:6] for row in rows] == [
        ["exact", "test/polyps/leak.png", "train/normal/01.png", "test", "train", True],
        ["exact", "train/normal/00.png", "train/normal/copy.png", "train", "train", False],
        ["near", "test/polyps/03.png", "test/polyps/near.png", "test", "test", False],
    ]
    assert [row[6] for row in rows[:2]] == [0, 0] and 0 <= rows[2][6] <= 10


def test_tables_are_written_as_csv(source: Path, tmp_path: Path) -> None:
    found = inspect_source(source)
    found.write(tmp_path / "new" / "out")
    assert sorted(path.name for path in (tmp_path / "new" / "out").glob("[!.]*")) == [
        "classes.csv",
        "duplicates.csv",
        "groups.csv",
        "rejected.csv",
        "sizes.csv",
    ]
    for name in ("classes", "sizes", "groups", "rejected", "duplicates"):
        table = pd.read_csv(tmp_path / "new" / "out" / f"{name}.csv", keep_default_na=False)
        pd.testing.assert_frame_equal(table, getattr(found, name), check_dtype=False)


def test_the_result_does_not_depend_on_the_number_of_workers(source: Path) -> None:
    one, three = inspect_source(source, workers=1), inspect_source(source, workers=3)
    for name in ("classes", "sizes", "groups", "rejected", "duplicates"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(three, name))
    assert one.warnings == three.warnings


def test_an_inspection_says_how_the_folders_were_understood(source: Path) -> None:
    assert inspect_source(source).layout == "folders of classes"


def test_progress_counts_every_file(source: Path) -> None:
    seen: list[Progress] = []
    inspect_source(source, seen.append)
    assert [(step.task, step.done, step.total) for step in seen] == [("inspect", k + 1, 29) for k in range(29)]


@pytest.mark.parametrize(
    "sentence",
    [
        "2 of 29 files cannot be used; rejected.csv says why",
        "1 pair of exact or near duplicates lies in different splits",
        "3 pairs of exact or near duplicates have no common group",
        "1 file is labelled both normal and not, the first 'test/polyps/leak.png' and 'train/normal/01.png'",
        "the width of a frame alone tells normal from abnormal with an AUROC of 0.96",
    ],
)
def test_warnings_name_what_may_spoil_a_study(source: Path, sentence: str) -> None:
    assert any(sentence in warning for warning in inspect_source(source).warnings)


def test_the_auroc_of_the_size_is_that_of_scikit_learn(source: Path) -> None:
    from sklearn.metrics import roc_auc_score

    theirs = roc_auc_score([0] * 13 + [1] * 14, [40] * 13 + [60] * 13 + [40])
    assert f"AUROC of {theirs:.2f}" in " ".join(inspect_source(source).warnings)


def warned(folder: Path, assume: str = "") -> str:
    return " | ".join(inspect_source(folder, assume=assume).warnings)


def test_equal_classes_raise_no_warning(tmp_path: Path) -> None:
    for k in range(10):
        save(tmp_path / f"normal/{k}.png")
        save(tmp_path / f"polyps/{k}.png")
    assert warned(tmp_path) == ""


def test_missing_labels_are_warned_of(tmp_path: Path) -> None:
    save(tmp_path / "diverticulum/a.png")
    assert "no frame is labelled normal" in warned(tmp_path)
    assert "no frame is labelled abnormal" in warned(tmp_path, "normal")
    assert "1 frame has no label, neither normal nor abnormal (diverticulum 1)" in warned(tmp_path)


def test_grey_and_colour_mixed_are_warned_of(tmp_path: Path) -> None:
    save(tmp_path / "normal/a.png")
    save(tmp_path / "polyps/b.png", grey=True)
    assert "1 frame is grey and 1 in colour" in warned(tmp_path)


def test_missing_masks_and_divided_groups_are_warned_of(tmp_path: Path) -> None:
    for name in ("a", "b", "m"):
        save(tmp_path / f"{name}.png")
    (tmp_path / "manifest.csv").write_text("file,label,split,group,mask\na.png,abnormal,test,1,m.png\nb.png,abnormal,train,1,\n")
    assert "1 of 2 abnormal files have no mask" in warned(tmp_path) and "group '1' is divided" in warned(tmp_path)


def test_a_mask_of_another_size_or_that_cannot_be_read_rejects_its_image(tmp_path: Path) -> None:
    save(tmp_path / "polyps/a.png")
    save(tmp_path / "polyps/b.png")
    save(tmp_path / "masks/a.png", width=41)
    (tmp_path / "masks/b.png").touch()
    reasons = inspect_source(tmp_path).rejected["reason"].tolist()
    assert reasons == ["its mask a.png: is 41 x 30, the frame 40 x 30", "its mask b.png: empty file"]


def test_files_with_several_frames_are_counted_by_frame(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    np.save(tmp_path / "normal/a.npy", DRAW.integers(0, 256, (5, 20, 30, 3), dtype=np.uint8))
    found = inspect_source(tmp_path)
    assert found.classes["frames"].tolist() == [5] and found.sizes.to_dict("split")["data"] == [["normal", 30, 20, 5]]


def test_frames_of_one_archive_are_no_copies_of_each_other(tmp_path: Path) -> None:
    inspection = inspect_source(medmnist(tmp_path / "pneumoniamnist.npz"))
    assert inspection.duplicates.empty and inspection.read == 1
    assert [warning for warning in inspection.warnings if "copies" in warning or "duplicates" in warning] == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3), (5, 5, 3)])
def test_tiny_and_flat_frames_are_counted_like_all_others(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype=np.uint8))
    np.save(tmp_path / "b.npy", np.ones(shape, dtype=np.uint8))
    found = inspect_source(tmp_path)
    assert found.rejected.empty and found.duplicates.empty and found.classes["frames"].tolist() == [2]


def test_a_source_of_which_no_file_can_be_read_still_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    found = inspect_source(tmp_path)
    assert isinstance(found, Inspection) and found.rejected["reason"].tolist() == ["empty file"] and found.classes.empty


def test_a_wrong_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        inspect_source(tmp_path / "nowhere")


def test_a_size_that_tells_the_classes_apart_is_named_with_its_auroc_ties_by_half() -> None:
    normal, abnormal = (np.array([(width, 100, 3) for width in widths]) for widths in ([100] * 20, [200] * 16 + [100] * 4))
    (warning,) = size_sentences(normal, abnormal)
    assert "the width of a frame alone tells normal from abnormal with an AUROC of 0.90" in warning  # (16 + 4 / 2) / 20


def test_real_frames(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "hyperkvasir"
    table = pd.read_csv(root / "manifest.csv", keep_default_na=False)
    chosen = pd.concat([table[table["finding"] == finding].head(20) for finding in ("normal-cecum", "bbps-2-3", "polyps")])
    for name in filter(None, [*chosen["file"], *chosen["mask"]]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    chosen.to_csv(tmp_path / "manifest.csv", index=False)
    found = inspect_source(tmp_path)
    assert not (found.rejected["kind"] == "rejected").any() and found.classes.groupby("finding")["frames"].sum().to_dict() == {
        "bbps-2-3": 20,
        "normal-cecum": 20,
        "polyps": 20,
    }
    assert any("sizes differ between classes" in warning for warning in found.warnings)


@pytest.mark.parametrize("option", ["--out", "--steps", "--figure"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    option: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "inspect", lambda *args, **options: pytest.fail("the source was read"))
    place = tmp_path / ("taken.png" if option == "--figure" else "taken")
    place.mkdir()
    (place / "notes.txt").write_text("of a person")
    assert f"'{place}' " in fail("inspect", source, option, place)
