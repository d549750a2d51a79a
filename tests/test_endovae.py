"""EndoVAE has the published size, and its diagnosis sees a collapse."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import batch, tiny

from medgen import registry
from medgen.errors import ConfigError


def count(*modules: torch.nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def test_encoder_and_decoder_have_the_published_number_of_weights() -> None:
    model = registry.create("endovae", {}, 96, 3)
    assert count(model.encoder, model.mean, model.log_variance) == 9_842_380  # type: ignore[arg-type]
    assert count(model.expand, model.decoder) == 1_282_467  # type: ignore[arg-type]


def test_a_size_that_its_strides_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"8 divides, not 100; prepare with --size 96"):
        registry.create("endovae", {}, 100, 3)


def test_the_kl_weight_rises_to_one_over_the_warm_up() -> None:
    model = tiny("endovae", kl_warmup=0.5)

    def kl(progress: float) -> float:
        torch.manual_seed(0)
        return next(iter(model.turns(batch(), progress)))[1]["kl"].item()

    assert kl(0.0) == 0 and math.isclose(kl(0.25), 0.5 * kl(1.0), rel_tol=1e-5) and kl(0.5) == kl(1.0)


def test_a_decoder_that_ignores_its_latents_is_called_collapsed() -> None:
    model = tiny("endovae")
    torch.nn.init.zeros_(model.expand[0].weight)  # type: ignore[index,union-attr,arg-type]
    with torch.no_grad():
        numbers, warning = model.diagnose(batch())  # type: ignore[operator]
    assert numbers["spread"] < 1e-6 and warning.startswith("posterior collapse")


def test_latents_that_differ_between_frames_are_not_called_collapsed() -> None:
    model = tiny("endovae", latents=3)
    with torch.no_grad():
        model.mean.weight.mul_(50)  # type: ignore[union-attr,operator]
        numbers, warning = model.diagnose(batch())  # type: ignore[operator]
    assert numbers["active_latents"] == 3 and warning == ""
