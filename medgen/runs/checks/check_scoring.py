"""Whether a run with these settings, of this backend on this data set, could be scored: asked before it is trained."""

from __future__ import annotations

import torch

from medgen import registry
from medgen.contract.capabilities import LeavesOut
from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared
from medgen.data.scorable import scorable
from medgen.engine.score import Scorer
from medgen.engine.score_components import NOTHING_ADDED
from medgen.errors import DataError
from medgen.metrics.fusion import FEWEST
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.report.evaluate import COMPONENT
from medgen.runs.calibrating.calibrate import fused_components
from medgen.runs.models import build_model
from medgen.runs.settings import RunSettings


def check_scoring(settings: RunSettings, data: Prepared) -> None:
    """Refuse, before a training, what could not be scored after it.

    Parameters
    ----------
    settings : of the run, with every default written out
    data : the data set of the training

    Raises
    ------
    BackendError : if the backend lacks what a component needs, such as a reconstruction, or cannot be fitted without folds.
    ConfigError : if scoring.fuse names a component that the score does not have, or there is no such extractor.
    DataError : if there are too few normal validation frames for a fusion and its threshold, or none for a distance from normal
        training frames.
    MedgenError : if the weights of the extractor are not on this machine.
    """
    if settings.scoring == NOTHING_ADDED:
        return
    rows = scorable(data, data.rows("val"), settings.data.overlay)
    if settings.scoring.needs_reference and not len(rows) and not settings.scoring.leaves_out:
        raise DataError(
            "scoring.residual_distance and scoring.feature_distance are fitted when a run is calibrated, which takes normal "
            f"validation frames; '{data.address}' has none: add some, or leave these settings away"
        )
    if settings.scoring.fuse and len(rows) < 2 * FEWEST:
        raise DataError(
            f"scoring.fuse needs at least {2 * FEWEST} normal validation frames, one half to weigh parts and one for the "
            f"threshold; '{data.address}' has {len(rows)}"
        )
    model = build_model(settings, data.size, data.channels).eval()
    if settings.scoring.leaves_out:
        registry.require(model, LeavesOut)
    batch = make_batch(data, data.rows()[:1], settings.data.overlay)
    with torch.inference_mode():
        scorer = Scorer(model, settings.scoring)
        scorer.normal_reference = {
            name: FeatureGaussian.fit(blocks, batch.index) for name, blocks in scorer.pooled(batch).items()
        }
        scores = scorer(batch)
    for names in (settings.scoring.fuse, settings.scoring.two_sided):
        fused_components([f"{COMPONENT}{name}" for name in scores.components], names)
