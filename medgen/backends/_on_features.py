"""What backends share that are trained on the features of a fixed network, and not on pixels."""

from __future__ import annotations

from torch import Tensor

from medgen.contract.backend import Backend
from medgen.nn.features.feature_maps import LayerSettings, MidLayers
from medgen.nn.host import OnHost


class OnFeatures(OnHost, Backend):
    """Keeps the fixed network beside the weights, and in them its fingerprint, so that another one is noticed.

    Attributes
    ----------
    layers : gives the feature maps of a batch
    fingerprint : of the network that the weights were trained on
    """

    divides = True
    on_host = ("fingerprint",)
    layers: MidLayers
    fingerprint: Tensor

    def look_through(self, features: LayerSettings) -> None:
        """Take the network of these settings; a new model does so before it makes its own layers."""
        self.layers = MidLayers(features)
        self.register_buffer("fingerprint", self.layers.fingerprint.clone())
