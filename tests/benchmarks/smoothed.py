"""What smoothing before the features does to how much a score depends on packing: was it fine texture that moves it?

python tests/benchmarks/smoothed.py HYPERKVASIR DS BACKEND SIGMA OUT

BACKEND (`dfm`, `padim`, `patchcore`) is trained in OUT on DS by its recipe for HyperKvasir and looks at frames through a Gaussian
of SIGMA pixels of the frame, 0 for none; medgen itself has no such setting. HYPERKVASIR as for `packings.py`, whose numbers
this prints for JPEG and for other sizes, 8 pixels within the edge; `auroc` is that of the test frames of DS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scipy.ndimage import gaussian_filter1d
from sklearn.metrics import roc_auc_score
from torch import Tensor, from_numpy

sys.path.append(str(Path(__file__).parents[1]))

from packed_frames import PACKINGS
from packings import measure, tissue

from medgen import api
from medgen.nn.features.feature_maps import MidLayers
from medgen.runs.settings import recipe

INSIDE = 8


def smooth(sigma: float) -> None:
    """Let every detector of features look through a Gaussian from now on."""
    look = MidLayers.maps_of_filled

    def through(self: MidLayers, image: Tensor, valid: Tensor, gradient: bool = False) -> Any:
        blurred = gaussian_filter1d(gaussian_filter1d(image.numpy(), sigma, axis=2), sigma, axis=3)
        return look(self, from_numpy(blurred), valid, gradient)

    MidLayers.maps_of_filled = through  # type: ignore[method-assign]


def main(source: Path, dataset: Path, backend: str, sigma: float, out: Path) -> None:
    if sigma > 0:
        smooth(sigma)
    run = api.train(dataset, out, recipe(backend, f"{backend}-hyperkvasir"))
    chosen = {name: pack for name, pack in PACKINGS.items() if "JPEG" in name or "scaled" in name}
    with TemporaryDirectory() as folder:
        result = measure(run, tissue(source, INSIDE), Path(folder), chosen)
        table = api.score(run.folder, dataset, Path(folder) / "test", split="test", pictures=False).table
    result["auroc"] = roc_auc_score(table["label"] != "normal", table["score"])
    sys.stdout.write(json.dumps({f"{backend}, sigma {sigma:g}": result}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), Path(words[1]), words[2], float(words[3]), Path(words[4]))
