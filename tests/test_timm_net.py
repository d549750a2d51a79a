"""Nets of timm as extractors. timm itself brings torchvision, so that a stand-in with its interface is what is tested with.

Where timm is installed, a transformer of it is compared with what timm makes of the same frame.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError, MedgenError
from medgen.nn.features.extractors import load_extractor

ABOUT = {"input_size": (3, 64, 64), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)}


class Maps(nn.Module):
    default_cfg: ClassVar = ABOUT
    feature_info = SimpleNamespace(reduction=lambda: [4, 8], channels=lambda: [3, 3])

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.avg_pool2d(x, 4), F.avg_pool2d(x, 8)]


class LastMaps(Maps):
    output_fmt = "NHWC"

    def forward(self, x: Tensor) -> list[Tensor]:
        return [values.permute(0, 2, 3, 1) for values in super().forward(x)]


class Pyramid(nn.Module):
    default_cfg: ClassVar = ABOUT
    feature_info = ({"reduction": 4}, {"reduction": 8})


class Transformer(nn.Module):
    """Its tokens: two that are the frame's mean, then each patch of 8 pixels, whose colours are scaled by its weights."""

    default_cfg: ClassVar = ABOUT
    feature_info = ({"reduction": 8}, {"reduction": 8})
    num_prefix_tokens, num_features = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward_features(self, x: Tensor) -> Tensor:
        assert x.shape[-1] <= 64, "too large"
        patches = F.avg_pool2d(x, 8).flatten(2).transpose(1, 2) * self.scale  # (B, N, 3)
        return torch.cat([patches.mean(1, keepdim=True).expand(-1, 2, -1), patches], 1)


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, **chosen: Any) -> nn.Module:
        if chosen.pop("features_only", False):
            assert chosen == {"pretrained": True}
            return LastMaps() if name == "last" else Maps()
        if name == "flat":
            raise RuntimeError("no features")
        if name == "tokens":
            return Transformer()
        if "dynamic_img_size" in chosen:
            raise TypeError("an unexpected argument 'dynamic_img_size'")
        return Pyramid()

    stand_in = ModuleType("timm")
    stand_in.__dict__.update(create_model=create_model, list_models=lambda: ["pyramid", "last", "flat", "tokens"])
    monkeypatch.setitem(sys.modules, "timm", stand_in)


IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
STANDARD = (IMAGE - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.2, 0.1]).view(3, 1, 1)
SCALE = torch.tensor([1.0, 2.0, 3.0])


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("name", ["pyramid", "last"])
def test_maps_are_those_of_the_standardised_frame(name: str) -> None:
    found = load_extractor(f"timm:{name}").layers(IMAGE, 64)
    assert [*found] == [4, 8]
    torch.testing.assert_close(found[8], F.avg_pool2d(STANDARD, 8))


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("name", ["pyramid", "tokens"])
def test_features_are_the_mean_of_the_last_map(name: str) -> None:
    extractor = load_extractor(f"timm:{name}")
    torch.testing.assert_close(extractor(IMAGE), STANDARD.mean((2, 3)))
    assert extractor.width == 3


@pytest.mark.usefixtures("timm")
def test_a_transformer_gives_the_tokens_of_its_patches_where_they_lie() -> None:
    found = load_extractor("timm:tokens").layers(IMAGE, 64)
    assert [*found] == [8]
    torch.testing.assert_close(found[8], F.avg_pool2d(STANDARD, 8))


@pytest.mark.usefixtures("timm")
def test_weights_of_ones_own_are_written_into_it(tmp_path: Path) -> None:
    save_file({"scale": SCALE}, tmp_path / "own.safetensors")
    found = load_extractor(f"timm:tokens@{tmp_path / 'own.safetensors'}")(IMAGE)
    torch.testing.assert_close(found, STANDARD.mean((2, 3)) * SCALE)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("state", "answer"),
    [({"other": SCALE}, "lacks scale and 0 more"), ({"scale": torch.ones(4)}, "has scale of another shape")],
)
def test_weights_of_another_net_are_refused(state: dict[str, Tensor], answer: str, tmp_path: Path) -> None:
    save_file(state, tmp_path / "own.safetensors")
    with pytest.raises(MedgenError, match=f"{answer}; expected all weights of timm's 'tokens'"):
        load_extractor(f"timm:tokens@{tmp_path / 'own.safetensors'}")


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("file", "about", "weights"),
    [
        (
            "config.json",
            {"architecture": "tokens", "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.1, 0.2, 0.3], "std": [1, 1, 2]}},
            "model.safetensors",
        ),
        (
            "open_clip_config.json",
            {
                "model_cfg": {"vision_cfg": {"timm_model_name": "tokens", "image_size": 32}},
                "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 2]},
            },
            "open_clip_model.safetensors",
        ),
    ],
)
def test_a_folder_says_which_net_it_holds_and_what_frames_look_like_to_it(
    file: str, about: dict[str, Any], weights: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(json.dumps(about))
    save_file({"scale": SCALE}, tmp_path / weights)
    extractor = load_extractor(f"hf:{tmp_path}")
    standard = (IMAGE.mean((2, 3)) - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([1.0, 1.0, 2.0])
    assert extractor.prepare(IMAGE).shape == (2, 3, 32, 32)
    torch.testing.assert_close(extractor.layers(IMAGE, 64)[8].mean((2, 3)), standard * SCALE)


@pytest.mark.usefixtures("timm")
def test_what_a_folder_gives_a_net_names_no_file(tmp_path: Path) -> None:
    looks = {"input_size": [3, 32, 32], "mean": [0.1, 0.2, 0.3], "std": [1, 1, 2]}
    about = {"architecture": "tokens", "pretrained_cfg": looks, "model_args": {"img_size": 32, "checkpoint_path": "net.pth"}}
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(MedgenError, match="gives the net 'checkpoint_path'; expected none but act_layer"):
        load_extractor(f"hf:{tmp_path}")


@pytest.mark.usefixtures("timm")
def test_a_side_that_a_net_does_not_take_is_refused_with_one_that_it_does() -> None:
    with pytest.raises(MedgenError, match="takes no frames of that side: too large; set the side to 64"):
        load_extractor("timm:tokens").layers(IMAGE, 72)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "answer"),
    [("pyramd", "timm knows no net 'pyramd'"), ("flat.a:b", "timm knows no net"), ("flat", "gives no maps: no features")],
)
def test_a_net_that_is_not_there_or_gives_no_maps_is_refused(name: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        load_extractor(f"timm:{name}")


def test_without_timm_the_answer_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MedgenError, match=r"needs timm: pip install 'medgen\[timm\]'"):
        load_extractor("timm:resnet18")


@pytest.mark.parametrize("prefix", ["", "visual.trunk."])  # as timm saves it, and as open_clip does
def test_a_transformer_of_timm_sees_another_side_as_timm_does(prefix: str, tmp_path: Path) -> None:
    timm: Any = pytest.importorskip("timm", reason="needs `pip install 'medgen[timm]'`")
    net = timm.create_model("vit_tiny_patch16_224", pretrained=False, dynamic_img_size=True).eval()
    save_file({f"{prefix}{key}": value for key, value in net.state_dict().items()}, tmp_path / "own.safetensors")
    extractor = load_extractor(f"timm:vit_tiny_patch16_224@{tmp_path / 'own.safetensors'}")
    with torch.no_grad():
        expected = net.forward_features(IMAGE * 2 - 1)[:, 1:].transpose(1, 2).reshape(2, 192, 4, 4)
    torch.testing.assert_close(extractor.layers(IMAGE, 64)[16], expected, atol=1e-5, rtol=0)


def test_a_folder_says_which_variant_of_a_net_of_timm_it_holds(tmp_path: Path) -> None:
    timm: Any = pytest.importorskip("timm", reason="needs `pip install 'medgen[timm]'`")
    variant = {"embed_dim": 24, "depth": 2, "num_heads": 2, "reg_tokens": 4, "init_values": 0.1, "global_pool": "avg"}
    net = timm.create_model("vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True, **variant).eval()
    looks = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
    about = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": looks, "model_args": {**variant, "num_classes": 0}}
    (tmp_path / "config.json").write_text(json.dumps(about))
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    with torch.no_grad():
        expected = net.forward_features(IMAGE * 2 - 1)[:, 5:].transpose(1, 2).reshape(2, 24, 4, 4)
    torch.testing.assert_close(load_extractor(f"hf:{tmp_path}").layers(IMAGE, 64)[16], expected, atol=1e-5, rtol=0)
