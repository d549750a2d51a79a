"""The prior over codes sees everything before a code, nothing after it, and learns what it sees."""

from __future__ import annotations

import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from medgen.nn.codes.pixelcnn import PixelCNN

SIDE, CODES = 5, 7


def net(**settings: int) -> PixelCNN:
    torch.manual_seed(0)
    return PixelCNN(CODES, width=8, layers=4, **settings).double().eval()


def grid(n: int = 1, side: int = SIDE) -> Tensor:
    return torch.randint(CODES, (n, side, side), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def seen(model: PixelCNN, place: int, **given: object) -> list[int]:
    """Return the places, counted row by row, whose logits change with the code at `place`."""
    codes = grid()
    other = codes.clone().flatten(1)
    other[:, place] = (other[:, place] + 1) % CODES
    change = (model(codes, **given) - model(other.view_as(codes), **given)).abs().amax(1)  # type: ignore[arg-type]
    return change.flatten().nonzero()[:, 0].tolist()


@pytest.mark.parametrize("place", range(SIDE**2))
def test_a_code_is_seen_by_all_after_it_in_reach_and_by_none_before(place: int) -> None:
    assert seen(net(), place) == list(range(place + 1, SIDE**2))


def test_a_coarser_grid_is_seen_and_the_order_still_holds() -> None:
    model, above = net(above=1), torch.zeros(1, 3, 3, dtype=torch.int64)
    assert seen(model, 12, above=[above]) == list(range(13, SIDE**2))
    other = above.clone()
    other[0, 2, 2] = 1
    change = (model(grid(), [above]) - model(grid(), [other])).abs().amax(1)[0]
    assert change[-1, -1] > 0 and change[0, 0] == 0


def test_the_class_changes_every_logit() -> None:
    model = net(classes=3)
    first, second = (model(grid(), label=torch.tensor([k])) for k in (0, 1))
    assert ((first - second).abs() > 0).all()


def test_an_unknown_class_is_no_class() -> None:
    model = net(classes=3)
    assert torch.equal(model(grid(), label=torch.tensor([-1])), model(grid()))


def test_the_negative_log_likelihood_is_the_cross_entropy_by_hand() -> None:
    model, codes = net(), grid(2)
    by_hand = -log_softmax(model(codes).detach().numpy(), axis=1)
    picked = [[[by_hand[b, codes[b, y, x], y, x] for x in range(SIDE)] for y in range(SIDE)] for b in range(2)]
    torch.testing.assert_close(model.nll(codes), torch.tensor(picked), check_dtype=False, rtol=1e-5, atol=1e-6)


def test_what_it_draws_when_cold_is_likeliest_at_every_place() -> None:
    """Drawing runs on parts of the grid; this is its equality with a full pass."""
    model, above, label = net(above=1, classes=2), grid(4, 3), torch.tensor([0, 1, 1, -1])
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # fresh weights would draw one code everywhere
    drawn = model.sample(4, (6, 6), [above], label, temperature=1e-6)
    assert torch.equal(model(drawn, [above], label).argmax(1), drawn) and len(drawn.unique()) > 2


def test_a_short_training_recovers_the_structure_of_the_codes() -> None:
    """Each row is one code, and the next row the one after it."""
    torch.manual_seed(0)
    model = PixelCNN(4, width=16, layers=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    rows = torch.arange(4)[None, :, None].expand(64, 4, 4)
    for _ in range(80):
        optimizer.zero_grad()
        model.nll((rows + torch.randint(4, (64, 1, 1))) % 4).mean().backward()
        optimizer.step()
    drawn = model.eval().sample(64, (4, 4))
    right = (drawn == (rows + drawn[:, :1, :1]) % 4).flatten(1).all(1)
    assert right.float().mean() > 0.9 and len(drawn[:, 0, 0].unique()) == 4
