"""A run in memory: the same numbers as `medgen score` whatever form the frames come in, and one line on each mistake."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose
from PIL import Image
from untrained import make_frames, make_run

import medgen
from medgen import api
from medgen.data.field.transforms import ContourCropd, LoadFramed
from medgen.data.native.addresses import open_dataset
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.engine import checkpoint
from medgen.errors import BackendError, ConfigError, DataError, RunError
from medgen.runs.score_table import ScoreTable
from medgen.verbs.in_memory.loaded import LoadedRun

SIDE = 32


class Case(NamedTuple):
    """Raw frames in a folder of PNG, the same in memory, a run, and what `medgen score` says of them."""

    folder: Path
    frames: np.ndarray
    run: Path
    stored: ScoreTable
    loaded: LoadedRun


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("loaded")
    phantom = PhantomSettings(train=8, val=24, test_normal=4, test_abnormal=4, width=160, height=160)
    data = api.prepare(make_phantom(root / "phantom", phantom), root / "data", PrepareSettings(size=SIDE))
    run = make_run(str(data.folder), root / "run")
    (root / "new").mkdir()
    large = PhantomSettings(train=1, val=1, test_normal=2, test_abnormal=2, width=700, height=620)
    frames = [np.asarray(Image.open(path)) for path in sorted(make_phantom(root / "large", large).rglob("*.jpg"))]
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(root / "new" / f"{number}.png")
    stored = api.score(run.folder, root / "new", root / "scores", pictures=False)
    return Case(root / "new", np.stack(frames), run.folder, stored, medgen.load(run.folder))


def files(case: Case) -> list[str]:
    return [str(path) for path in sorted(case.folder.iterdir())]


def dictionaries(case: Case) -> DataLoader:
    """Return a loader of the frames, cropped by the transforms of medgen."""
    crop = Compose([LoadFramed("image"), ContourCropd("image", size=SIDE)])
    return DataLoader(Dataset([{"image": path} for path in files(case)], crop), batch_size=4)


FORMS = {
    "a folder": lambda case: case.folder,
    "files": files,
    "an array": lambda case: case.frames,
    "floats": lambda case: case.frames.astype(np.float32) / 255,
    "several arrays": lambda case: [*case.frames],
    "a tensor": lambda case: torch.from_numpy(case.frames),
    "raw frames of MONAI": lambda case: [LoadFramed("image")({"image": path}) for path in files(case)],
    "crops of MONAI": dictionaries,
    "a column of files": lambda case: pd.Series(files(case)),
    "an array of files": lambda case: np.array(files(case)),
    "dictionaries of files": lambda case: [{"image": path} for path in files(case)],
    "pictures of Pillow": lambda case: [Image.fromarray(frame) for frame in case.frames],
    "a data set of MONAI": lambda case: dictionaries(case).dataset,
    "tensors that autograd follows": lambda case: [
        {"image": torch.from_numpy(frame).permute(2, 0, 1).div(255).requires_grad_()} for frame in case.frames
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_frames_in_any_form_get_the_scores_and_maps_of_the_command_to_the_bit(form: str, case: Case) -> None:
    found = case.loaded.score(FORMS[form](case))
    columns = [name for name in found.table if name.startswith("component_")]
    for name in ("score", "quantile", "abnormal", "valid_share", *columns):
        assert found.table[name].tolist() == case.stored.table[name].tolist(), name
    assert found.maps is not None and case.stored.maps is not None
    assert np.array_equal(found.maps, case.stored.maps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_frames_whose_axes_monai_has_exchanged_are_refused(dtype: torch.dtype, case: Case) -> None:
    image = torch.from_numpy(case.frames[0]).permute(2, 1, 0).div(255).to(dtype).requires_grad_()
    with pytest.raises(DataError, match="rows and columns exchanged"):
        case.loaded.score({"image": MetaTensor(image, meta={"filename_or_obj": files(case)[0]})})


def test_the_table_has_the_columns_and_types_of_the_stored_one(case: Case) -> None:
    pd.testing.assert_frame_equal(case.loaded.score(case.folder).table, case.stored.table)


def test_a_data_set_is_scored_by_its_test_split_or_the_one_that_is_named(case: Case) -> None:
    data = Path(medgen.load(case.run).run.origin.dataset)
    assert [len(case.loaded.score(data)), len(case.loaded.score(data, split="val"))] == [8, 24]


def test_files_keep_the_order_in_which_they_are_named(case: Case) -> None:
    turned = case.loaded.score(files(case)[::-1]).table
    assert turned["path"].tolist() == files(case)[::-1] and turned["score"].tolist()[::-1] == case.stored.table["score"].tolist()


def test_a_second_call_reads_no_weights(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.loaded.score(case.frames)
    monkeypatch.setattr(checkpoint, "load_weights", lambda *arguments: pytest.fail("the weights were read again"))
    monkeypatch.setattr("medgen.runs.run.load_weights", lambda *arguments: pytest.fail("the weights were read again"))
    assert len(case.loaded.score(case.frames)) == len(case.frames)


def test_a_reconstruction_is_the_picture_that_the_command_writes(case: Case, tmp_path: Path) -> None:
    api.reconstruct(case.run, case.folder, tmp_path / "out")
    written = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out").glob("*.png"))]
    assert np.array_equal(np.rint(case.loaded.reconstruct(case.frames) * 255), written)


def test_maps_lie_on_the_frames_as_they_were_given(case: Case) -> None:
    small, large = (case.loaded.maps(case.frames[:1], at=place)[0] for place in ("crop", "frame"))
    assert small.shape == (SIDE, SIDE) and large.shape == case.frames.shape[1:3]
    assert np.nanmax(large) <= np.nanmax(small) and np.isnan(large[0, 0])


def test_the_threshold_follows_the_run(case: Case) -> None:
    before = case.loaded.threshold
    try:
        value = api.set_threshold(case.run, 0.2)["value"]
        assert case.loaded.threshold == value != before
        assert case.loaded.score(case.frames).table["abnormal"].tolist() == (case.stored.table["score"] > value).tolist()
    finally:
        api.set_threshold(case.run, 0.05)


def test_a_frame_of_one_colour_has_no_score_and_no_picture(case: Case) -> None:
    frames = np.stack([case.frames[0], np.full_like(case.frames[0], 90)])
    table = case.loaded.score(frames).table
    assert table["score"].isna().tolist() == [False, True] and table["status"][1] == "no valid pixel"
    assert np.isnan(case.loaded.reconstruct(frames)[1]).all() and np.isnan(case.loaded.maps(frames)[1]).all()


def test_a_notebook_shows_run_threshold_rate_and_that_it_is_for_research(case: Case) -> None:
    shown = case.loaded.score(case.frames)._repr_html_()
    known = case.loaded.calibration
    for text in ("run &#x27;run&#x27;", f"{known['value']:.6g}", "5 % of 24 normal frames", "never for diagnosis", "<table"):
        assert text in shown
    assert "<b>" not in medgen.load(case.run)._repr_html_() and f"{known['value']:.6g}" in case.loaded._repr_html_()


def test_a_run_without_a_threshold_says_why(case: Case, tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "frames")
    for path in sorted((frames / "val" / "good").iterdir())[3:]:
        path.unlink()
    loaded = medgen.load(make_run(frames, tmp_path / "run").folder)
    assert loaded.threshold is None and "no threshold: a false-alarm rate of 0.05 needs" in repr(
        loaded.score(frames / "test" / "bad")
    )


def test_a_run_on_whole_frames_takes_arrays_whole(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "frames")
    run = make_run(frames, tmp_path / "run").folder
    stored = api.score(run, frames / "test" / "bad", tmp_path / "out", pictures=False)
    paths = sorted((frames / "test" / "bad").iterdir())
    loaded = medgen.load(run)
    for given in (paths, np.stack([np.asarray(Image.open(path)) for path in paths])):
        assert loaded.score(given).table["score"].tolist() == stored.table["score"].tolist()
    with pytest.raises(DataError, match="takes frames whole, square"):
        loaded.score(np.zeros((32, 40, 3), np.uint8))


MISTAKES: dict[str, tuple[Any, str]] = {
    "floats to 255": (np.full((40, 40, 3), 255.0), r"array has float64 values from 255 to 255; expected uint8, or floats from 0"),
    "infinity": (np.full((40, 40, 3), np.inf), "4800 of 4800 pixels are infinite"),
    "complex numbers": (np.zeros((40, 40, 3), complex), "complex128; expected integers or floats"),
    "channels first": (np.zeros((3, 40, 50), np.uint8), "say axes CHW or NHW"),
    "two channels": (np.zeros((2, 40, 40, 2), np.uint8), "channels with alpha"),
    "five axes": (np.zeros((1, 1, 40, 40, 3), np.uint8), r"shape 1 x 1 x 40 x 40 x 3; expected \(H, W\)"),
    "no frame": (np.zeros((0, 40, 40, 3), np.uint8), "has no frames"),
    "nothing": ([], "the list is empty"),
    "a number": (3, "cannot take frames from int"),
    "several kinds": (["a.png", np.zeros((40, 40, 3))], r"of several kinds or of none that is known \(ndarray, str\)"),
    "another key": ({"img": np.zeros((3, 40, 40))}, "keys 'img'; expected 'image'"),
    "a crop of another size": (
        {"image": np.zeros((3, 40, 40)), "valid": np.ones((1, 40, 40))},
        r"crops are 3 x 40 x 40; run '.*' was trained on 3 x 32 x 32",
    ),
    "a table": (pd.DataFrame({"path": ["a.png"]}), r"its columns are path\); name the column of files: table\['path'\]"),
    "a folder in a list": (["."], "'.' is a folder; a list is of files"),
    "a file that is not there": (["nowhere.png"], "1 of 1 files do not exist, the first is 'nowhere.png'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_no_frame_is_refused_in_one_line(mistake: str, case: Case) -> None:
    given, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=message) as caught:
        case.loaded.score(given)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(case: Case, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 2 files cannot be read, the first is '.*broken.png': is not an image inside"):
        case.loaded.score([*files(case)[:1], broken])


def test_files_of_a_folder_that_cannot_be_read_are_told_and_the_others_are_taken(case: Case, tmp_path: Path) -> None:
    folder = shutil.copytree(case.folder, tmp_path / "new")
    (folder / "broken.png").write_bytes(b"no picture")
    told = "of 1 file in .* nothing or not all could be read, the first is 'broken.png': is not an image inside"
    with pytest.warns(UserWarning, match=told) as warned:
        found = case.loaded.score(folder)
    assert warned[0].filename == __file__ and found.data.rejected()["file"].tolist() == ["broken.png"]
    with pytest.warns(UserWarning, match=told):
        assert len(case.loaded.reconstruct(folder)) == len(found) == len(case.frames)


def test_stated_axes_say_what_a_shape_leaves_open(case: Case) -> None:
    first = np.ascontiguousarray(case.frames[0].transpose(2, 0, 1))
    assert case.loaded.score(first, axes="CHW").table["score"][0] == case.stored.table["score"][0]


@pytest.mark.parametrize("axes", ["chw", "XYC"])
def test_axes_of_other_letters_are_refused(axes: str, case: Case) -> None:
    with pytest.raises(ConfigError, match=f"expected a letter for each axis, N, H, W or C.*got '{axes}'"):
        case.loaded.score(case.frames[0], axes=axes)


def test_maps_of_no_known_place_are_refused(case: Case) -> None:
    with pytest.raises(ConfigError, match="there are no maps at 'frames'; did you mean 'frame'"):
        case.loaded.maps(case.frames, at="frames")  # type: ignore[arg-type]


def test_a_data_set_that_is_open_is_scored_as_its_folder_is(case: Case) -> None:
    data = open_dataset(case.loaded.run.origin.dataset)
    found, expected = (case.loaded.score(given, split="val").table["score"].tolist() for given in (data, data.folder))
    assert len(found) == 24 and found == expected


def test_eight_bits_in_an_array_of_sixteen_are_told_to_be_shown_in_few_grey_levels(case: Case) -> None:
    with pytest.warns(UserWarning, match=r"1 file is shown in fewer than 64 grey levels.*array \(2\); the run shows values as"):
        case.loaded.score(case.frames[0].astype(np.uint16))


def test_frames_that_are_handed_over_have_no_split(case: Case) -> None:
    with pytest.raises(DataError, match="only a data set has a split 'test'"):
        case.loaded.score(case.frames, split="test")


def test_a_backend_that_does_not_reconstruct_says_so(tmp_path: Path) -> None:
    run = make_run(make_frames(tmp_path / "frames"), tmp_path / "run", "dfm", ["model.sides=[64]"])
    with pytest.raises(BackendError, match="dfm cannot reconstruct"):
        medgen.load(run.folder).reconstruct(np.zeros((32, 32, 3), np.uint8))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder; give"):
        medgen.load(tmp_path)


@pytest.mark.parametrize("above", [1, 2])
def test_a_folder_that_holds_a_run_as_a_bundle_or_a_comparison_does_names_it(above: int, tmp_path: Path) -> None:
    run = tmp_path / "top" / "runs" / "vae-seed0"
    run.mkdir(parents=True)
    (run / "run.toml").touch()
    with pytest.raises(RunError, match=f"is not a run folder, but '{run}' is"):
        medgen.load(run.parents[above - 1])


@pytest.mark.parametrize("device", ["gpu", "cuda:1"])
def test_a_device_of_another_name_is_refused(device: Any, case: Case) -> None:
    with pytest.raises(ConfigError, match=f"device '{device}': expected one of auto, cpu, cuda"):
        medgen.load(case.run, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", [api.score, api.maps, api.reconstruct, api.evaluate, api.rank])
def test_a_gpu_that_is_not_there_is_refused_before_frames_are_prepared(verb: Any, case: Case, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no CUDA device is visible"):
        verb(case.run, case.folder, tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()


def test_a_device_of_torch_is_taken(case: Case) -> None:
    assert medgen.load(case.run, device=torch.device("cpu")).device == torch.device("cpu")
