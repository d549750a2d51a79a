"""No float32 is rounded to TF32 where medgen computes, and the switches of the process come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import make_fit
from torch import Tensor

from medgen.engine.exact import exact_float32
from medgen.engine.fixed_shape import in_fixed_shape

pytestmark = pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this PyTorch has other switches (before 2.9)")


def precisions() -> list[str]:
    return [place.fp32_precision for place in (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)]


def test_inside_float32_is_exact_and_afterwards_all_is_as_it_was() -> None:
    before = precisions()
    with exact_float32():
        assert precisions() == ["ieee"] * 3
    assert precisions() == before and before[1] == "tf32"  # PyTorch's default for convolutions


def test_a_thread_that_leaves_takes_exactness_from_no_other() -> None:
    before, one, other = precisions(), exact_float32(), exact_float32()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert precisions() == ["ieee"] * 3
    other.__exit__(None, None, None)
    assert precisions() == before


def test_the_older_switch_can_be_asked_afterwards() -> None:
    with exact_float32():
        pass
    assert torch.backends.cudnn.allow_tf32 is True


def test_scoring_is_exact() -> None:
    seen = []

    def work(frames: Tensor) -> Tensor:
        seen.append(precisions())
        return frames

    in_fixed_shape(work, torch.zeros(1, 3, 8, 8))
    assert seen == [["ieee"] * 3]


def test_training_is_exact(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def stop() -> bool:
        seen.append(precisions())
        return True

    make_fit(tmp_path).run(lambda row: None, stop=stop)
    assert seen[0] == ["ieee"] * 3
