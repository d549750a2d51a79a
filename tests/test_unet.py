"""The U-Net is that of its paper, at every size, and with either norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medgen.nn.translation.unet import UNet, depth_of


def unet(size: int = 32, channels: int = 3, **settings: object) -> UNet:
    torch.manual_seed(0)
    return UNet(size, channels, **{"width": 4, **settings})  # type: ignore[arg-type]


def paper() -> UNet:
    with torch.device("meta"):
        return UNet(256, 3)


def places(blocks: nn.ModuleList, kind: type[nn.Module]) -> list[int]:
    """Return the places of the blocks that have a layer of this kind."""
    return [k for k, block in enumerate(blocks) if any(isinstance(layer, kind) for layer in block)]  # type: ignore[union-attr]


def test_the_net_of_the_paper_has_its_number_of_weights() -> None:
    assert sum(weight.numel() for weight in paper().parameters()) == 54_419_459


def test_the_layers_are_as_wide_as_the_papers() -> None:
    net = paper()
    assert [layer.out_channels for layer in net.modules() if isinstance(layer, nn.Conv2d)] == [64, 128, 256, *[512] * 5]
    up = [layer.out_channels for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert up == [*[512] * 4, 256, 128, 64, 3]


@pytest.mark.parametrize(("size", "depth"), [(16, 4), (28, 5), (64, 6), (65, 7), (100, 7), (128, 7), (256, 8), (512, 9)])
def test_the_depth_follows_the_size(size: int, depth: int) -> None:
    assert depth_of(size) == depth


@pytest.mark.parametrize("size", [16, 17, 28, 33, 64])
def test_the_innermost_grid_is_one_place(size: int) -> None:
    shapes: list[torch.Size] = []
    net = unet(size)
    net.downs[-1].register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    net(torch.rand(2, 3, size, size))
    assert shapes == [(2, 32, 1, 1)]


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 17, 28, 33, 50])
def test_a_single_frame_of_any_size_is_drawn_at_its_size_in_training(size: int, channels: int, norm: str) -> None:
    drawn = unet(size, channels, norm=norm)(torch.rand(1, channels, size, size))
    assert drawn.shape == (1, channels, size, size) and drawn.isfinite().all() and drawn.abs().max() < 1


def test_frames_of_another_size_and_shape_are_drawn_too() -> None:
    assert unet(32).eval()(torch.rand(1, 3, 64, 45)).shape == (1, 3, 64, 45)


def test_the_first_three_blocks_up_drop_half() -> None:
    net = paper()
    assert places(net.ups, nn.Dropout) == [0, 1, 2] and not places(net.downs, nn.Dropout)
    assert {layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)} == {0.5}


def test_a_share_of_zero_leaves_no_dropout() -> None:
    assert not places(unet(dropout=0.0).ups, nn.Dropout)


def test_the_frame_and_the_innermost_grid_are_not_normalised() -> None:
    net = paper()
    assert places(net.downs, nn.BatchNorm2d) == [1, 2, 3, 4, 5, 6] and places(net.ups, nn.BatchNorm2d) == [0, 1, 2, 3, 4, 5, 6]


def test_with_instance_norm_a_frame_is_drawn_the_same_alone_and_in_a_training_batch() -> None:
    net, frames = unet(norm="instance", dropout=0.0), torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(net(frames)[1:2], net(frames[1:2]))


def test_a_leak_of_a_fifth_goes_down_and_none_goes_up() -> None:
    net = paper()
    assert places(net.downs, nn.LeakyReLU) == [1, 2, 3, 4, 5, 6, 7] and places(net.ups, nn.ReLU) == list(range(8))
    assert {layer.negative_slope for layer in net.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("k", range(5))
def test_each_block_up_sees_the_grid_of_its_like_on_the_way_down(k: int) -> None:
    net = unet(norm="none", dropout=0.0).eval()
    seen: list[Tensor] = []
    for block in net.downs:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    net.ups[k].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net(torch.rand(1, 3, 32, 32))
    *grids, joined = seen
    assert torch.equal(joined[:, : grids[-1 - k].shape[1]], grids[-1 - k])


def test_weights_start_at_a_fiftieth_and_biases_at_zero() -> None:
    layers = [layer for layer in unet(64, width=16).modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert all(layer.bias is not None and not layer.bias.any() for layer in layers)
    assert [layer.weight.std().item() for layer in layers] == pytest.approx([0.02] * 12, rel=0.1)


def trained(net: UNet, *frames: int) -> UNet:
    """Let a U-Net see batches of so many frames in training, and return it as it is used."""
    torch.manual_seed(1)
    for count in frames:
        net(torch.rand(count, 3, 32, 32) * 2 - 1)
    return net.eval()


def test_what_was_trained_frame_by_frame_is_drawn_frame_by_frame() -> None:
    net, (frame, other) = unet(dropout=0), torch.rand(2, 1, 3, 32, 32) * 2 - 1
    as_in_training = net(frame)
    trained(net, 1, 1)
    torch.testing.assert_close(net(frame), as_in_training)
    torch.testing.assert_close(net(torch.cat([frame, other]))[:1], as_in_training)  # whatever lies beside it


def test_what_was_trained_on_batches_is_drawn_by_their_means() -> None:
    net, frame = unet(dropout=0), torch.rand(1, 3, 32, 32) * 2 - 1
    as_in_training = net(frame)
    for norm in (layer for layer in trained(net, 1, 4, 1).modules() if isinstance(layer, nn.BatchNorm2d)):
        assert not norm.one_by_one
    assert (net(frame) - as_in_training).abs().max() > 0.01


def test_weights_stored_without_the_size_of_batches_draw_by_the_means() -> None:
    net, frame = trained(unet(), 4), torch.rand(1, 3, 32, 32) * 2 - 1
    older = {name: value for name, value in net.state_dict().items() if not name.endswith("one_by_one")}
    again = unet().eval()
    again.load_state_dict(older)
    torch.testing.assert_close(again(frame), net(frame))
