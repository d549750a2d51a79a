"""Which training loss goes with which score?

python tests/benchmarks/loss_matrix.py DATA OUT [KEY=VALUE...]

Trains `endovae`, `vae` and `vqvae` on DATA by each of four losses, with the same settings but for the loss, and measures how well
each residual tells the test frames apart: AUROC with 95 % intervals. Runs lie in OUT, and a finished one is not made again.
KEY=VALUE are settings for all runs. The KL term weighs a tenth, so that no loss, whatever its scale, drowns in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from medgen import api
from medgen.report.evaluate import evaluate
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.runs.scores import score_rows

BACKENDS = {
    "endovae": ("model.kl_weight=0.1",),
    "vae": ("model.kl_weight=0.1", "model.latents=16"),
    "vqvae": ("model.prior.share=0",),
}
LOSSES = ("squared_error", "absolute_error", "ssim", "perceptual")


def main(data: Path, out: Path, settings: list[str]) -> None:
    result: dict[str, Any] = {}
    for backend, own in BACKENDS.items():
        for loss in LOSSES:
            folder = out / f"{backend}-{loss}"
            if not (folder / "calibration.json").is_file():
                api.train(data, folder, api.recipe(backend, None, [*own, *settings, f"model.loss={loss}"]))
            result[folder.name] = _areas(folder)
            sys.stderr.write(f"{folder.name}\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _areas(folder: Path) -> dict[str, Any]:
    """Return the AUROC of each part of a run's score, and how well it reconstructs."""
    run = open_run(folder)
    frames = open_trained_on(run)
    scored = score_rows(run, frames, frames.rows("test"), folder / "scores")
    metrics = evaluate(scored.table, None, None)
    seconds = float(run.history()["seconds"].max())
    return {
        "components": {name: part["auroc"] for name, part in metrics["components"].items()},
        "psnr_normal": metrics["quality"]["normal"]["psnr_valid"]["mean"],
        "minutes": round(seconds / 60, 1),
    }


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), Path(words[1]), words[2:])
