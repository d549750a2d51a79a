"""Reader and crop work inside a MONAI Compose and agree with the functions behind them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityRanged, Transposed
from PIL import Image as Picture

from medgen.data.field.contour import crop
from medgen.data.field.transforms import ContourCropd, LoadFramed
from medgen.data.for_monai import LoadCropd
from medgen.data.pyramid import Pyramid
from medgen.errors import ConfigError, DataError
from medgen.types import OverlayRules


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[10:110, 30:170] = np.random.default_rng(0).integers(90, 140, (100, 140, 3))
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_the_chain_in_a_compose_equals_the_functions(frame: Path) -> None:
    chain = Compose([LoadFramed("image"), ContourCropd("image", size=32), ScaleIntensityRanged("image", 0, 1, 0, 2)])
    found = chain({"image": frame, "label": 1})
    expected, _ = crop(Pyramid.of(np.array(Picture.open(frame))), 32)
    assert torch.equal(found["image"], torch.from_numpy(expected.pixels.transpose(2, 0, 1).astype(np.float32) / 255) * 2)
    assert torch.equal(found["image_valid"][0], torch.from_numpy(expected.valid)) and found["label"] == 1


def test_frames_are_read_upright(frame: Path) -> None:
    assert LoadFramed("image")({"image": frame})["image"].shape == (3, 120, 200)


def test_a_missing_key_can_be_allowed() -> None:
    assert ContourCropd("image", allow_missing_keys=True)({"label": 1}) == {"label": 1}


def test_a_window_is_that_of_the_values(tmp_path: Path) -> None:
    values = np.array([[1000, 2000, 3000, 500]], np.uint16)
    Picture.fromarray(values).save(tmp_path / "a.png")
    found = LoadFramed("image", intensity="window:1000,3000")({"image": tmp_path / "a.png"})["image"]
    np.testing.assert_allclose(found[0], [[0, 0.5, 1, 0]], atol=1e-6)


@pytest.mark.parametrize(("rules", "valid"), [("endoscopy", False), ("dark", True)])
def test_the_rules_of_the_overlay_can_be_stated(rules: OverlayRules, valid: bool) -> None:
    spot = np.full((1, 120, 120), 90, np.uint8)
    spot[0, 55:65, 55:65] = 255
    chain = ContourCropd("image", size=120, overlay=rules)
    assert chain({"image": spot})["image_valid"][0, 60, 60].item() is valid


def monai_chain(*more: Any, **how: Any) -> Compose:
    """Return MONAI's own reader, the colour first and from 0 to 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of readers that are not installed
        read = LoadImaged("image", **how)
    return Compose([read, EnsureChannelFirstd("image"), ScaleIntensityRanged("image", 0, 255, 0, 1), *more])


@pytest.mark.parametrize("width", [200, 120])
def test_a_frame_whose_axes_monai_has_exchanged_is_refused(frame: Path, width: int) -> None:
    Picture.open(frame).crop((0, 0, width, 120)).save(frame)
    with pytest.raises(
        DataError, match=r"rows and columns exchanged, as MONAI's LoadImaged reads pictures; read it by LoadFramed"
    ):
        ContourCropd("image", size=32)(monai_chain()({"image": frame}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tensor_that_autograd_follows_is_cropped_as_its_values_are(dtype: torch.dtype, frame: Path) -> None:
    image = LoadFramed("image")({"image": frame})["image"].to(dtype)
    expected = ContourCropd("image", size=32)({"image": image.float().numpy()})["image"]
    assert torch.equal(ContourCropd("image", size=32)({"image": image.requires_grad_()})["image"], expected)


def test_a_square_frame_of_one_colour_has_no_axes_to_exchange(frame: Path) -> None:
    Picture.new("RGB", (120, 120), (90, 40, 30)).save(frame)
    cut = ContourCropd("image", size=32)(monai_chain()({"image": frame}))
    assert torch.equal(cut["image"], ContourCropd("image", size=32)(LoadFramed("image")({"image": frame}))["image"])


@pytest.mark.parametrize("width", [200, 120])
def test_a_frame_that_monai_has_read_upright_is_cropped_as_any_other(frame: Path, width: int) -> None:
    Picture.open(frame).crop((0, 0, width, 120)).save(frame)
    expected = ContourCropd("image", size=32)(LoadFramed("image")({"image": frame}))["image"]
    for chain in (monai_chain(reverse_indexing=False), monai_chain(Transposed("image", (0, 2, 1)))):
        assert torch.equal(ContourCropd("image", size=32)(chain({"image": frame}))["image"], expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.full((3, 40, 50), 200, np.float32),
            "'image' has float32 values from 200 to 200; expected uint8, or floats from 0 to 1",
        ),
        (np.full((3, 40, 50), -1.0), "'image' has float64 values from -1 to -1; expected uint8, or floats from 0 to 1"),
        (np.zeros((40, 50, 3), np.uint8), r"'image' has shape 40 x 50 x 3; expected channels first, \(C, H, W\), C 1 or 3"),
        (np.zeros((1, 3, 40, 50), np.uint8), "'image' has shape 1 x 3 x 40 x 50; expected channels first"),
    ],
)
def test_frames_of_other_values_or_axes_are_refused(given: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ContourCropd("image")({"image": given})


def test_sixteen_bits_are_shown_by_the_whole_range_of_their_type(frame: Path) -> None:
    pixels = np.array(Picture.open(frame)).transpose(2, 0, 1)
    eight, sixteen = (
        ContourCropd("image", size=32)({"image": given})["image"] for given in (pixels, pixels.astype(np.uint16) * 257)
    )
    assert torch.equal(eight, sixteen)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"square": "padd"}, "there is no square 'padd'; did you mean 'pad'"),
        ({"overlay": "all"}, "there is no overlay 'all'"),
        ({"size": 0}, "size is 0; expected the side of the crop"),
    ],
)
def test_settings_of_a_crop_that_are_none_are_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ContourCropd("image", **chosen)


@pytest.mark.parametrize(
    ("given", "message"),
    [("none.png", "'none.png': no such file"), (np.zeros((3, 4, 4)), "under 'image' is no path but ndarray; ContourCropd takes")],
)
def test_what_is_no_file_is_named(given: Any, message: str) -> None:
    for read in (LoadFramed("image"), LoadCropd("image")):
        with pytest.raises(DataError, match=message):
            read({"image": given})
