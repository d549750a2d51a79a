"""A critic of overlapping patches: each of its answers sees 70 x 70 pixels.

Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", https://arxiv.org/abs/1611.07004,
section 3.2.2; several scales and features of all layers: Wang et al. 2018, https://arxiv.org/abs/1711.11585, section 3.
Shape letters: B frames, C channels, S side of a frame. Frames are in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.adversarial.dcgan_nets import SLOPE, small_start
from medgen.nn.norms import Norm, norm_of


def halvings_for(size: int, wanted: int) -> int:
    """Return how often a critic of patches halves a side of `size` pixels: at most twice below 64, once below 32."""
    return min(wanted, max(1, size.bit_length() - 4))


class PatchCritic(nn.Module):
    """Convolutions of 4 x 4, (B, C, S, S) to (B, 1, s, s), one answer a patch: 30 x 30 of 70 x 70 pixels for 256 pixels.

    Parameters
    ----------
    channels : C, of all frames that are shown together
    width : channels of the first convolution; each further one has twice as many, up to eight times as many
    halvings : convolutions with stride 2; 3 make patches of 70 x 70 pixels, 2 of 34 x 34, 1 of 16 x 16
    norm : of all layers but the first and the last
    """

    def __init__(self, channels: int, width: int = 64, halvings: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, padding=1), nn.LeakyReLU(SLOPE))]
        before = width
        for k in range(1, halvings + 1):
            after, stride = width * 2 ** min(k, 3), 2 if k < halvings else 1
            convolution = nn.Conv2d(before, after, 4, stride, padding=1)
            layers.append(nn.Sequential(convolution, norm_of(norm, after), nn.LeakyReLU(SLOPE)))
            before = after
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv2d(before, 1, 4, padding=1)
        self.apply(small_start)

    def forward_with_features(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the output of each layer for frames (B, C, S, S), and the answers (B, 1, s, s)."""
        outputs = []
        for layer in self.layers:
            image = layer(image)  # (B, W, S / 2, S / 2), (B, 2 W, S / 4, S / 4), ...
            outputs.append(image)
        return outputs, self.head(image)

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_with_features(image)[1]


class ScaledCritics(nn.Module):
    """Critics of patches, each of which sees the frames at half the side of the one before.

    Parameters
    ----------
    scales : how many
    channels : C, of all frames that are shown together
    width : channels of each critic's first convolution
    halvings : convolutions with stride 2 in each critic
    norm : of all layers but the first and the last
    """

    def __init__(self, scales: int, channels: int, width: int = 64, halvings: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        self.critics = nn.ModuleList(PatchCritic(channels, width, halvings, norm) for _ in range(scales))

    def forward_with_features(self, image: Tensor) -> list[tuple[list[Tensor], Tensor]]:
        """Return the outputs of each critic's layers for frames (B, C, S, S), and its answers."""
        judged = []
        for k, critic in enumerate(self.critics):
            assert isinstance(critic, PatchCritic)
            image = F.avg_pool2d(image, 3, 2, padding=1, count_include_pad=False) if k else image  # half the side
            judged.append(critic.forward_with_features(image))
        return judged

    def forward(self, image: Tensor) -> list[Tensor]:
        return [answers for _, answers in self.forward_with_features(image)]
