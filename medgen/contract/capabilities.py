"""What a backend may be able to do besides scoring: the verbs and the report ask for these, never for a backend's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from medgen.nn.features.feature_maps import FeatureMap
from medgen.types import Batch


@runtime_checkable
class Reconstructs(Protocol):
    """Can say what a frame would look like if it were normal."""

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1]."""
        ...


@runtime_checkable
class Conditional(Protocol):
    """Knows the classes of its training frames and can draw frames of one.

    `classes` are their names, of which `Batch.finding` holds indices; () where this model was built without.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...

    def sample(self, n: int, label: int | None = None) -> Tensor:
        """Return (n, C, S, S) in [0, 1] of the class with index `label` in `classes`; of any class where it is None."""
        ...


@runtime_checkable
class ReconstructsFeatures(Protocol):
    """Reconstructs features instead of pixels."""

    def feature_residual(self, batch: Batch) -> list[FeatureMap]:
        """Return the difference of each feature map from its reconstruction."""
        ...


@runtime_checkable
class Samples(Protocol):
    """Can draw new frames."""

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1]."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Can encode a frame as a latent vector."""

    def embed(self, batch: Batch) -> Tensor:
        """Return latents (B, Z)."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """Can draw the frame of a latent vector whose prior is N(0, I)."""

    def decode(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, Z)."""
        ...


@runtime_checkable
class Redraws(Protocol):
    """Can draw the frame of a latent vector from `embed`, in a latent space whose prior is not N(0, I)."""

    def redraw(self, latent: Tensor) -> Tensor:
        """Return (N, C, S, S) in [0, 1] of latents (N, Z)."""
        ...


@runtime_checkable
class Codes(Protocol):
    """Describes a frame by codes of one codebook or more; `codebooks` is the number of codes in each, the coarsest first."""

    @property
    def codebooks(self) -> Mapping[str, int]: ...

    def codes(self, image: Tensor) -> list[Tensor]:
        """Return the codes (B, h, w) int64 of images (B, C, S, S), a grid for each codebook."""
        ...


@runtime_checkable
class Styles(Protocol):
    """Draws a frame from styles, one for each of its `layers`, coarse ones first, and from noise."""

    @property
    def layers(self) -> int: ...

    def styles(self, n: int) -> Tensor:
        """Draw n styles (n, Z)."""
        ...

    def truncate(self, styles: Tensor, psi: float) -> Tensor:
        """Return styles (n, Z) at psi of their distance from the mean style."""
        ...

    def draw_styles(self, styles: Tensor, noise: Literal["random", "fixed", "none"] = "fixed") -> Tensor:
        """Return (n, C, S, S) in [0, 1] of styles (n, Z), or (n, L, Z) with one for each layer."""
        ...


@runtime_checkable
class Diagnoses(Protocol):
    """Can tell from validation frames whether its training goes wrong in a way that its loss hides."""

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Return numbers to log, and a warning in one sentence; "" where nothing is wrong."""
        ...


@runtime_checkable
class OnePassFit(Protocol):
    """Gathers in `turns`, which yield nothing, and computes its weights from that after the last batch of the only epoch."""

    def finalise_fit(self) -> None:
        """Compute the weights from what was gathered."""
        ...


@runtime_checkable
class LeavesOut(Protocol):
    """Fits without each fold of its training frames, too, so that these say how rare a score is.

    Its settings have a field `folds`, how many there are; 0 for none.
    """

    def divide(self, folds: Tensor) -> None:
        """Take the fold of each row of the data set, (N,) int64, 0 to `folds` - 1, before the fit."""
        ...

    def leave_out(self, fold: int | Literal["own"] | None) -> None:
        """Have frames scored, from now on, by what was fitted without a fold; "own": each without its own; None: by all."""
        ...

    def keep_own(self, scores: Tensor, folds: Tensor, shares: Tensor) -> None:
        """Take the score of each training frame without its fold, (n,), its fold, and what it counts for.

        From then on a score is moved to its place among these (`medgen.nn.features.placed`).
        """
        ...


@runtime_checkable
class Translates(Protocol):
    """Can carry a frame from one domain into another.

    `directions` are "AtoB", from the domain of `Batch.image` to that of `Batch.other`, and "BtoA", where it can go back.
    """

    @property
    def directions(self) -> tuple[str, ...]: ...

    def translate(self, batch: Batch, direction: str = "AtoB") -> Tensor:
        """Return `batch.image` in the other domain, (B, C, S, S) in [0, 1]."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Can tell the classes of its labelled training frames apart; `classes` are their names."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def classify(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the probability of each class, (B, K), by each classifier that the backend has, the best one first."""
        ...


CAPABILITIES: Mapping[type, str] = {
    Reconstructs: "reconstruct",
    ReconstructsFeatures: "reconstruct features",
    Samples: "sample",
    Embeds: "embed",
    Decodes: "decode latents",
    Redraws: "redraw what it embeds",
    Codes: "describe frames by codes",
    Styles: "draw by styles",
    Diagnoses: "diagnose its training",
    OnePassFit: "fit in one pass",
    LeavesOut: "be fitted without folds of its frames, which scoring.calibration asks for",
    Conditional: "be told a class",
    Translates: "translate",
    Classifies: "classify",
}  # what a backend without the capability cannot do, in the words of an error message
