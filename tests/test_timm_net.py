"""Nets of timm as extractors. timm itself brings torchvision, so that a stand-in with its interface is what is tested with."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError, MedgenError
from medgen.nn.features.extractors import load_extractor


class Net(nn.Module):
    default_cfg: ClassVar = {"input_size": (3, 64, 64), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)}
    feature_info = SimpleNamespace(reduction=lambda: [4, 8], channels=lambda: [3, 3])

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.avg_pool2d(x, 4), F.avg_pool2d(x, 8)]


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, **chosen: Any) -> Net:
        assert chosen == {"pretrained": True, "features_only": True}
        if name == "flat":
            raise RuntimeError("no features")
        return Net()

    stand_in = ModuleType("timm")
    stand_in.__dict__.update(create_model=create_model, list_models=lambda: ["pyramid", "flat"])
    monkeypatch.setitem(sys.modules, "timm", stand_in)


IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
STANDARD = (IMAGE - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.2, 0.1]).view(3, 1, 1)


@pytest.mark.usefixtures("timm")
def test_maps_are_those_of_the_standardised_frame() -> None:
    found = load_extractor("timm:pyramid").layers(IMAGE, 64)
    assert [*found] == [4, 8]
    torch.testing.assert_close(found[8], F.avg_pool2d(STANDARD, 8))


@pytest.mark.usefixtures("timm")
def test_features_are_the_mean_of_the_last_map() -> None:
    extractor = load_extractor("timm:pyramid")
    torch.testing.assert_close(extractor(IMAGE), STANDARD.mean((2, 3)))
    assert extractor.width == 3


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(("name", "answer"), [("pyramd", "timm knows no net 'pyramd'"), ("flat", "gives no maps: no features")])
def test_a_net_that_is_not_there_or_gives_no_maps_is_refused(name: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        load_extractor(f"timm:{name}")


def test_without_timm_the_answer_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MedgenError, match="needs timm: pip install timm"):
        load_extractor("timm:resnet18")
