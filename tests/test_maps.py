"""Maps of a tiny run: on the original frames, in the format of these, at a level that no test frame has a say in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from commands import ONE_EPOCH, fail, medgen, succeed, train_translator
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_rescale
from sources import folder, frame, medmnist
from writers import dicom, nifti, save

from medgen.data.images import read_image
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import open_prepared
from medgen.data.writers.export import read_png
from medgen.data.writers.map_to_original import to_original
from medgen.runs.run import Run
from medgen.runs.scores import _with_pictures, map_high, map_level
from medgen.types import Box

LEVELS = ({"pixel_level": 0.5}, {"pixel_level": 0.0}, {})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, prepared data set, a run, and the maps of its test frames."""
    root = tmp_path_factory.mktemp("study")
    make_phantom(root / "frames", PhantomSettings(train=8, val=6, test_normal=3, test_abnormal=3, width=180, height=160))
    succeed("prepare", root / "frames", "--out", root / "data", "--size", 32)
    succeed("train", "vae", root / "data", "--out", root / "run", *ONE_EPOCH)
    succeed("maps", root / "run", root / "data", "--out", root / "maps")
    return root


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, a DICOM file of two frames and a volume of three slices."""
    root = tmp_path_factory.mktemp("raw")
    y, x = np.mgrid[:40, :52]
    grey = (60 + 2 * x + y).astype(np.uint8)  # even enough to be no highlight
    save(root / "a.png", np.stack([grey] * 3, axis=-1))
    ds = dicom(np.stack([grey, 240 - grey]), "MONOCHROME2", frames=2, PatientID="P-17")
    ds.save_as(root / "b.dcm", enforce_file_format=True)
    nifti(root / "c.nii.gz", np.stack([grey[:30, k : k + 24] for k in (0, 9, 20)], axis=2))
    return root


@pytest.fixture(scope="module")
def mixed(study: Path, raw: Path) -> Path:
    """The maps of the raw frames."""
    told = succeed("maps", study / "run", raw, "--out", study / "mixed", "--level", "0.01")
    assert "6 maps" in told and "side of the crop" not in told
    return study / "mixed"


@pytest.mark.parametrize("command", ["maps", "reconstruct"])
def test_a_file_that_cannot_be_read_is_told_of_with_the_reason(study: Path, tmp_path: Path, command: str) -> None:
    (frames := tmp_path / "frames").mkdir()
    shutil.copy(study / "frames" / pd.read_csv(study / "maps" / "scores.csv")["path"][0], frames / "a.png")
    (frames / "b.png").write_bytes(b"no picture")
    told = succeed(command, study / "run", frames, "--out", tmp_path / "told")
    assert "warning: 1 file could not be read, the first is 'b.png': is not an image inside" in told


def test_what_could_not_be_read_is_counted_beside_the_maps_and_named_in_a_table(study: Path, tmp_path: Path) -> None:
    (frames := tmp_path / "frames").mkdir()
    shutil.copy(study / "frames" / pd.read_csv(study / "maps" / "scores.csv")["path"][0], frames / "a.png")
    for name in ("b.png", "c.png"):
        (frames / name).write_bytes(b"no picture")
    succeed("maps", study / "run", frames, "--out", tmp_path / "maps")
    about = json.loads((tmp_path / "maps" / "maps.json").read_text())
    assert (about["frames"], about["rejected"]) == (1, 2)
    assert set(pd.read_csv(tmp_path / "maps" / "rejected.csv")["file"]) == {"b.png", "c.png"}


def written(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and path.suffix != ".json"}


def test_every_test_frame_gets_a_map_and_an_overlay_of_its_own_size(study: Path) -> None:
    data = open_prepared(study / "data")
    names = {f"{path}.png" for path in data.index["path"].iloc[data.rows("test")]}
    assert len(names) == 6 and written(study / "maps" / "original") == written(study / "maps" / "overlays") == names
    for name in names:
        shapes = {read_image(study / "maps" / part / name).pixels.shape[:2] for part in ("original", "overlays")}
        assert shapes == {read_image(study / "frames" / name.removesuffix(".png")).pixels.shape[:2]}


def test_a_map_holds_the_scores_of_its_crop_where_that_was_cut_from(study: Path) -> None:
    data, table = open_prepared(study / "data"), pd.read_csv(study / "maps" / "scores.csv")
    maps = np.load(study / "maps" / "maps.npy")
    for place, row in enumerate(data.rows("test")):
        known = data.index.iloc[row]
        crop = np.where(data.valid[row], maps[place], np.float32(np.nan))
        expected = to_original(crop, Box(*(int(known[side]) for side in Box._fields)), (known["height"], known["width"]))
        found = read_png(study / "maps" / "original" / f"{table['path'][place]}.png")
        np.testing.assert_allclose(found, expected, atol=(maps.max() - maps.min()) / 65535)


def test_the_frame_is_seen_unchanged_where_there_is_no_score(study: Path) -> None:
    name = pd.read_csv(study / "maps" / "scores.csv")["path"][0]
    bare = np.isnan(read_png(study / "maps" / "original" / f"{name}.png"))
    laid, frame = (read_image(path).pixels for path in (study / "maps" / "overlays" / f"{name}.png", study / "frames" / name))
    assert bare.any() and np.array_equal(laid[bare], frame[bare]) and not np.array_equal(laid[~bare], frame[~bare])


def test_the_contours_run_where_99_per_cent_of_normal_validation_pixels_lie_below(study: Path) -> None:
    data, maps = open_prepared(study / "data"), np.load(study / "run" / "scores-val" / "maps.npy")
    rows = data.rows("val")
    about = json.loads((study / "maps" / "maps.json").read_text())
    assert set(data.index["label"].iloc[rows]) == {"normal"} and about["frames"] == 6 and about["at_crop"] == 0
    assert about["level"] == pytest.approx(np.percentile(maps[data.valid[rows]], 99), rel=1e-6)
    assert about["level_is"] == "99 % of the pixels of 6 normal validation frames lie below"


def test_another_share_and_smoothing_move_the_level(study: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(study / "frames" / pd.read_csv(study / "maps" / "scores.csv")["path"][0], one / "a.png")
    levels = []
    for k, options in enumerate((["--level", "50%"], ["--level", "99%"], ["--level", "99%", "--smooth", "3"])):
        succeed("maps", study / "run", one, "--out", tmp_path / str(k), *options)
        levels.append(json.loads((tmp_path / str(k) / "maps.json").read_text())["level"])
    assert levels[0] < levels[2] < levels[1]  # the mean of neighbours is less extreme


def test_each_map_has_the_format_of_its_source(mixed: Path) -> None:
    assert written(mixed / "original") == {"a.png.png", "b.dcm#0.dcm", "b.dcm#1.dcm", "c.nii.gz.nii.gz"}
    frames = {"a.png.png", "b.dcm#0.png", "b.dcm#1.png", "c.nii.gz#0.png", "c.nii.gz#1.png", "c.nii.gz#2.png"}
    assert written(mixed / "overlays") == frames


def test_a_dicom_holds_the_map_of_its_own_frame(mixed: Path) -> None:
    ds = pydicom.dcmread(mixed / "original" / "b.dcm#1.dcm")
    place = pd.read_csv(mixed / "scores.csv")["path"].tolist().index("b.dcm#1")
    highest = np.load(mixed / "maps.npy")[place].max()
    assert ds.PatientID == "P-17" and (ds.Rows, ds.Columns) == (40, 52)
    assert apply_rescale(ds.pixel_array, ds).max() == pytest.approx(highest, rel=0.1)


def test_a_volume_holds_the_maps_of_all_its_slices(mixed: Path, raw: Path) -> None:
    made, source = nib.load(mixed / "original" / "c.nii.gz.nii.gz"), nib.load(raw / "c.nii.gz")
    assert made.shape == source.shape and np.array_equal(made.affine, source.affine)
    assert np.isfinite(made.get_fdata()).any(axis=(0, 1)).all()


def test_any_frame_can_have_its_map_as_png(study: Path, raw: Path, tmp_path: Path) -> None:
    succeed("maps", study / "run", raw, "--out", tmp_path, "--format", "png", "--level", "0.01")
    assert written(tmp_path / "original") == written(tmp_path / "overlays")
    assert read_png(tmp_path / "original" / "c.nii.gz#2.png").shape == read_image(raw / "c.nii.gz", 2).pixels.shape[:2]


@pytest.fixture(scope="module")
def moved(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set and its run, where neither finds what it was made of."""
    root = tmp_path_factory.mktemp("moved")
    for name in ("data", "run"):
        shutil.copytree(study / name, root / name)
    for path, old in ((root / "data" / "prepare.toml", '"../frames"'), (root / "run" / "run.toml", '"../data"')):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, '"../gone"'))
    return root


def test_a_report_of_a_set_that_has_moved_says_how_to_name_its_new_place(moved: Path, tmp_path: Path) -> None:
    told = fail("report", moved / "run", "--out", tmp_path / "page")
    assert "which is not there; put it back, or name where it is now (--data" in told and "gone" in told
    assert not (tmp_path / "page").exists()


def test_where_raw_frames_are_gone_maps_keep_the_side_of_the_crop(moved: Path, tmp_path: Path) -> None:
    told = succeed("maps", moved / "run", moved / "data", "--out", tmp_path, "--level", "0.01")
    assert "6 maps have the side of the crop, as the original frames are not there" in told
    assert {read_image(path).pixels.shape[:2] for path in tmp_path.rglob("*.png")} == {(32, 32)}
    assert len(written(tmp_path / "overlays")) == 6


def test_without_normal_validation_frames_the_level_is_half_of_the_colours(moved: Path, tmp_path: Path) -> None:
    succeed("maps", moved / "run", moved / "data", "--out", tmp_path)
    about = json.loads((tmp_path / "maps.json").read_text())
    median = np.median(json.loads((moved / "run" / "calibration.json").read_text())["scores"])
    assert about["level"] == pytest.approx(2.5 * median) and about["high"] == pytest.approx(5 * median)
    assert about["level_is"].startswith("half of the end of the colour scale, as there are no normal validation frames: ")


def test_a_share_of_frames_that_are_gone_is_refused(moved: Path, tmp_path: Path) -> None:
    told = medgen("maps", moved / "run", moved / "data", "--out", tmp_path, "--level", "95%")
    assert told.exit_code != 0 and "a level of 95% rests on normal validation frames: " in told.output.splitlines()[-1]


def test_a_frame_that_has_another_size_by_now_keeps_the_side_of_the_crop(study: Path, raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    succeed("prepare", tmp_path / "raw", "--out", tmp_path / "data", "--size", 32)
    save(tmp_path / "raw" / "a.png", frame(20))
    told = succeed("maps", study / "run", tmp_path / "data", "--out", tmp_path / "maps", "--level", "0.01", "--split", "all")
    assert "it is 20 x 20, the data set was made of 52 x 40" in told and "1 map has the side of the crop" in told
    assert read_png(tmp_path / "maps" / "original" / "a.png.png").shape == (32, 32)


def test_maps_of_an_archive_have_its_own_size(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "train/good", "test/good")
    address = f"folder:{tmp_path / 'frames'}"
    succeed("train", "vae", address, "--out", tmp_path / "run", *ONE_EPOCH)
    told = succeed("maps", tmp_path / "run", address, "--out", tmp_path / "files")
    assert "4 maps" in told and "side of the crop" not in told  # the files are the originals
    archive = medmnist(tmp_path / "a.npz", (16, 16, 3))
    assert "6 maps have the side of the crop" in succeed(
        "maps", tmp_path / "run", f"medmnist:{archive}", "--out", tmp_path / "maps"
    )
    assert {read_image(path).pixels.shape[:2] for path in (tmp_path / "maps").rglob("*.png")} == {(16, 16)}


# mistakes


@pytest.mark.parametrize("level", ["high", "150%", "0%", "nan"])
def test_a_level_that_is_none_is_refused(study: Path, tmp_path: Path, level: str) -> None:
    told = fail("maps", study / "run", study / "data", "--out", tmp_path, "--level", level)
    assert told == f"medgen: the level '{level}' is none; expected a raw score like 0.02, or a share of normal pixels like 99%"


def test_a_format_that_the_input_does_not_have_is_refused_before_anything_is_scored(study: Path, tmp_path: Path) -> None:
    told = fail("maps", study / "run", study / "data", "--out", tmp_path / "out", "--format", "dicom")
    assert "is no DICOM file; take --format auto or png" in told and not (tmp_path / "out").exists()


def test_a_format_is_refused_where_there_is_no_original(moved: Path, tmp_path: Path) -> None:
    told = fail("maps", moved / "run", moved / "data", "--out", tmp_path, "--format", "nifti")
    assert "has no original file; take --format auto or png, as NIfTI holds maps of such alone" in told


def test_a_backend_without_maps_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "data", "trainA/good", "trainB/bad", "testA/good", "testB/bad")
    train_translator("pixelda", f"unpaired:{tmp_path / 'data'}", tmp_path / "run")
    told = fail("maps", tmp_path / "run", f"unpaired:{tmp_path / 'data'}", "--out", tmp_path / "out")
    assert told.startswith("medgen: 'pixelda' scores whole frames and draws no maps; see '") and "scores.csv" in told


def test_colours_end_where_the_run_says_when_normal_pixels_have_no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgen.runs.scores.map_high", lambda run: 3.0)
    levels = [map_level(cast(Run, SimpleNamespace(threshold=lambda known=known: known))) for known in LEVELS]
    assert levels == [0.5, 1.5, 1.5]


@pytest.mark.parametrize(("scores", "end"), [([1.0, 2.0, 4.0], 10.0), ([0.0, 0.0, 1.0], 0.05), ([-3.0, -2.0], 0.05), ([], 0.05)])
def test_a_scale_of_colours_ends_above_nought(scores: list[float], end: float) -> None:
    assert map_high(cast(Run, SimpleNamespace(calibration=lambda: {"scores": scores}))) == end


def test_colours_of_pictures_end_at_twice_the_level_of_contours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []
    pixels = np.zeros((2, 2, 3), np.uint8)

    def heat(error: object, valid: object, high: float) -> NDArray[np.uint8]:
        ends.append(high)
        return pixels

    monkeypatch.setattr("medgen.runs.scores.heat", heat)
    run = SimpleNamespace(threshold=lambda: {"pixel_level": 0.2}, calibration=lambda: {"scores": [9.0]})  # of a fused score
    data = SimpleNamespace(frames=pixels[None], index=pd.DataFrame({"path": ["a.png"]}))
    batch = SimpleNamespace(index=torch.tensor([0]), valid=torch.ones(1, 1, 2, 2, dtype=torch.bool))
    scored = SimpleNamespace(batch=batch, reconstruction=None, scores=SimpleNamespace(map=torch.zeros(1, 1, 2, 2)))
    assert len([*_with_pictures(cast(Any, run), cast(Any, data), cast(Any, [scored]), tmp_path)]) == 1
    assert ends == [0.4] and (tmp_path / "a.png.png").is_file()
