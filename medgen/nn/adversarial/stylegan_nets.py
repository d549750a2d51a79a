"""The style-based generator: a mapping network makes styles, a synthesis network draws by them from a learned constant.

Source: Karras, Laine and Aila, CVPR 2019, https://arxiv.org/abs/1812.04948; the critic is in `stylegan_critic.py`. There is no
progressive growing: the net has its full size from the start, and only its last grid becomes a frame. Shape letters: Z numbers
in a latent and in a style w (the paper has 512 of both), L layers with a style each, C channels, S side of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.config import Settings

SLOPE = 0.2  # of the leaky ReLU (appendix C)
GAIN = sqrt(2)  # He et al. 2015: keeps the size of features before a ReLU
MAPPING_RATE = 0.01  # the mapping network learns so much slower (appendix C)
AVERAGE_STEP = 0.005  # of the moving average of w
COARSEST = 4  # the first grid has this side, or one up to twice as long if that doubles better to S

Resample = Literal["bilinear", "nearest"]
Noise = Literal["random", "fixed", "none"] | Sequence[Tensor]


class StyleSettings(Settings):
    """Settings of both nets. The rows of the paper's table 1: B has none of the four switches that are on here, C `mapping` and
    `styles`, D `constant` too, E `noise` too; F mixes styles as it trains, and A differs from B by `resample` and its training.
    """

    latent: int = Field(512, ge=1)  # Z
    mapping: bool = True  # without it the normalised latent itself is the style
    mapping_layers: int = Field(8, ge=1)
    styles: bool = True  # without it features are normalised per pixel and the latent makes the first grid alone
    constant: bool = True  # the first grid is learned; without it a linear layer makes it
    noise: bool = True
    resample: Resample = "bilinear"  # grids are blurred by [1, 2, 1] after doubling and before halving; "nearest" has no blur
    width: int = Field(512, ge=1)  # channels of the coarsest grids
    capacity: int = Field(0, ge=0)  # a grid that was doubled k times has at most capacity / 2^(k + 1); 0 = 16 width, as the paper

    @model_validator(mode="after")
    def _latent_is_used(self) -> Self:
        if self.constant and not self.styles:
            raise ValueError("with constant = true and styles = false no latent reaches the frame; set constant = false")
        return self


def grids(size: int) -> tuple[int, ...]:
    """Return the sides of the grids, coarsest first: from 4, 5, 6 or 7 (8 for few) doubled to S or the least above it."""
    doublings = max(size // COARSEST, 1).bit_length() - 1
    return tuple(-(-size // 2**doublings) * 2**k for k in range(doublings + 1))


def widths(settings: StyleSettings, size: int) -> tuple[int, ...]:
    """Return the channels of each of the `grids`: as wide as `width` while `capacity` allows (Karras et al. 2018, table 2)."""
    capacity = settings.capacity or 16 * settings.width
    return tuple(max(min(settings.width, capacity // 2 ** (k + 1)), 1) for k in range(len(grids(size))))


def leaky(features: Tensor) -> Tensor:
    """Return the leaky ReLU of all nets here."""
    return F.leaky_relu(features, SLOPE)


def pixel_norm(features: Tensor) -> Tensor:
    """Return features (B, C, ...) over the root of their mean square over C, float32 (Karras et al. 2018, section 4.2)."""
    features = features.float()
    return features * (features.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def adain(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Give each channel of each frame a deviation `scale` and a mean `shift` over its grid (equation 1); float32.

    Parameters
    ----------
    features : (B, C, h, w)
    scale, shift : (B, C)
    """
    features = features.float()
    variance, mean = torch.var_mean(features, (2, 3), correction=0, keepdim=True)  # (B, C, 1, 1) each
    return (features - mean) * (scale[..., None, None] * (variance + 1e-5).rsqrt()) + shift[..., None, None]


class EqualLinear(nn.Module):
    """A linear layer, (B, before) to (B, after), whose weights start at N(0, 1) and are scaled as they are used.

    So Adam moves all weights by the same share of their size (Karras et al. 2018, section 4.1). `rate` multiplies its step.
    """

    def __init__(self, before: int, after: int, gain: float = 1.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / rate)
        self.bias = nn.Parameter(torch.zeros(after))
        self.scale, self.rate = gain * rate / sqrt(before), rate

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight * self.scale, self.bias * self.rate)


class Blur(nn.Module):
    """Low-pass filter of (B, C, h, w) by [1, 2, 1] / 4 both ways, zeros beyond the edge (section 2, config B)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", line[:, None] * line, persistent=False)  # (3, 3)

    def forward(self, features: Tensor) -> Tensor:
        channels = features.shape[1]
        return F.conv2d(features, self.kernel.to(features.dtype).expand(channels, 1, 3, 3), padding=1, groups=channels)


class EqualConv2d(nn.Module):
    """A k x k convolution with weights of N(0, 1) that are scaled as they are used; with `step` it doubles or halves the side.

    A doubling repeats pixels and a halving takes their mean: each is one with the convolution, a kernel of 4 x 4 and stride 2, at
    less than half of the multiplications. `blur` filters after the doubling and before the halving.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 3,
        gain: float = GAIN,
        step: Literal["", "up", "down"] = "",
        blur: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.scale, self.step, self.padding = gain / (sqrt(before) * kernel), step, kernel // 2
        self.blur = Blur() if step and blur else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if not self.step:
            return F.conv2d(features, weight, self.bias, padding=self.padding)
        weight = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1)  # (after, before, 4, 4)
        if self.step == "down":
            return F.conv2d(self.blur(features), weight, self.bias, stride=2, padding=1)  # (B, after, h / 2, w / 2)
        weight = 4 * weight.flip(2, 3).transpose(0, 1)  # (before, after, 4, 4)
        doubled = self.blur(F.conv_transpose2d(features, weight, stride=2, padding=1))  # (B, after, 2 h, 2 w)
        return doubled + self.bias[:, None, None].to(doubled.dtype)


class Mapping(nn.Module):
    """The mapping network f: latents to styles w, whose space need not follow N(0, I) (sections 2 and 4); `layers` 0 for none."""

    average: Tensor

    def __init__(self, latent: int = 512, layers: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(latent, latent, GAIN, MAPPING_RATE) for _ in range(layers))
        self.register_buffer("average", torch.zeros(latent))  # (Z,), moves in training mode with gradients enabled alone

    def forward(self, z: Tensor) -> Tensor:
        """Return w (B, Z) float32 of z (B, Z)."""
        w = pixel_norm(z)
        for layer in self.layers:
            w = leaky(layer(w))
        w = w.float()
        if self.training and torch.is_grad_enabled():
            self.average.lerp_(ranks.mean(w.detach().mean(0)), AVERAGE_STEP)
        return w

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Return w (..., Z) at psi times its distance from the average w: below 1, likelier and less varied (appendix B)."""
        return self.average + psi * (w - self.average)


class StyledLayer(nn.Module):
    """Convolution (or what stands in for it), noise, leaky ReLU and style (figure 1b); without styles, pixel norm.

    Attributes
    ----------
    strength : (C,), how much of the noise each channel takes; 0 at the start (section 3.2)
    fixed : (1, 1, h, w), the noise of "fixed"
    """

    fixed: Tensor

    def __init__(self, settings: StyleSettings, before: nn.Module, channels: int, side: int) -> None:
        super().__init__()
        self.before = before
        self.strength = nn.Parameter(torch.zeros(channels)) if settings.noise else None
        self.style = EqualLinear(settings.latent, 2 * channels) if settings.styles else None
        if self.style is not None:
            nn.init.ones_(self.style.bias[:channels])  # of the scale, which starts at 1 (appendix C)
        if settings.noise:
            self.register_buffer("fixed", torch.randn(1, 1, side, side))

    def forward(self, features: Tensor, w: Tensor, noise: Literal["random", "fixed", "none"] | Tensor) -> Tensor:
        """Return (B, C, h, w) float32, of styles (B, Z) and noise (1 or B, 1, h, w) or its name."""
        features = self.before(features)
        if self.strength is not None and not (isinstance(noise, str) and noise == "none"):
            drawn = self._drawn(noise, features) if isinstance(noise, str) else noise
            features = features + (self.strength[:, None, None] * drawn).to(features.dtype)
        features = leaky(features)
        if self.style is None:
            return pixel_norm(features)
        scale, shift = self.style(w).float().chunk(2, 1)  # (B, C) each
        return adain(features, scale, shift)

    def _drawn(self, noise: str, features: Tensor) -> Tensor:
        """Return (1, 1, h, w) of "fixed", (B, 1, h, w) of "random"."""
        return self.fixed if noise == "fixed" else ranks.randn_like(features[:, :1])


class Synthesis(nn.Module):
    """The synthesis network g: two layers for each grid, and a 1 x 1 convolution from the last one to a frame (section 2).

    Attributes
    ----------
    sides : of the grid of each layer, so of its noise
    n_layers : L
    """

    def __init__(self, settings: StyleSettings, size: int, channels: int) -> None:
        super().__init__()
        sides, wide = grids(size), widths(settings, size)
        self.size, self.sides = size, tuple(side for side in sides for _ in range(2))
        self.n_layers = len(self.sides)
        self.shape = (wide[0], sides[0], sides[0])
        self.constant = nn.Parameter(torch.ones(1, *self.shape)) if settings.constant else None  # ones: appendix C
        self.first = None if settings.constant else EqualLinear(settings.latent, wide[0] * sides[0] ** 2, GAIN)
        self.layers = nn.ModuleList()
        for k, side in enumerate(sides):
            up = EqualConv2d(wide[k - 1], wide[k], step="up", blur=settings.resample == "bilinear") if k else nn.Identity()
            self.layers.append(StyledLayer(settings, up, wide[k], side))
            self.layers.append(StyledLayer(settings, EqualConv2d(wide[k], wide[k]), wide[k], side))
        self.to_rgb = EqualConv2d(wide[-1], channels, kernel=1, gain=1)

    def forward(self, w: Tensor, noise: Noise = "random") -> Tensor:
        """Return frames (B, C, S, S) float32, meant to be in [-1, 1] but not held there.

        Parameters
        ----------
        w : (B, L, Z), the style of each layer; without `styles` the first one alone counts
        noise : "random" is new for each frame, "fixed" the same always, "none" leaves it out; or for each layer one
            (1 or B, 1, h, w) with h and w as `sides` says. Without the switch `noise` there is none.
        """
        if self.constant is not None:
            features = self.constant.expand(len(w), -1, -1, -1)  # (B, width, 4, 4)
        elif self.first is not None:
            features = self.first(w[:, 0]).unflatten(1, self.shape)  # (B, width, 4, 4)
        noises = [noise] * self.n_layers if isinstance(noise, str) else noise
        for layer, style, layer_noise in zip(self.layers, w.unbind(1), noises, strict=True):
            features = layer(features, style, layer_noise)  # (B, C, h, w), twice the side in every second
        edge = (features.shape[-1] - self.size) // 2
        return self.to_rgb(features).float()[..., edge : edge + self.size, edge : edge + self.size]  # (B, C, S, S)


class Generator(nn.Module):
    """Mapping and synthesis (section 2)."""

    def __init__(self, settings: StyleSettings, size: int, channels: int) -> None:
        super().__init__()
        self.mapping = Mapping(settings.latent, settings.mapping_layers if settings.mapping else 0)
        self.synthesis = Synthesis(settings, size, channels)

    def forward(self, z: Tensor, mixing: float = 0.0) -> Tensor:
        """Draw frames (B, C, S, S) of latents (B, Z).

        `mixing` is the share of frames in which the style of a second, random latent takes over from a random layer on, so that
        neighbouring layers do not rely on each other (section 3.1).
        """
        n, layers = len(z), self.synthesis.n_layers
        w = self.w(z)[:, None].expand(-1, layers, -1)  # (B, L, Z)
        if mixing > 0:
            start = ranks.randint(layers, (n, 1), z.device, low=1)
            start = start.masked_fill(ranks.rand((n, 1), z.device) >= mixing, layers)
            second = torch.arange(layers, device=z.device) >= start  # (B, L)
            w = torch.where(second[..., None], self.w(ranks.randn_like(z))[:, None], w)
        return self.synthesis(w)

    def w(self, z: Tensor) -> Tensor:
        """Return the styles (B, Z) of latents (B, Z)."""
        return self.mapping(z)

    def draw(self, w: Tensor, noise: Noise = "random") -> Tensor:
        """Draw frames (B, C, S, S) of one style (B, Z) for all layers, or of one for each, (B, L, Z); noise for `Synthesis`."""
        return self.synthesis(w if w.ndim == 3 else w[:, None].expand(-1, self.synthesis.n_layers, -1), noise)
