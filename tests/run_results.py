"""Results of one run that look like real ones: scores, panels, maps and a history, drawn from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medgen.report.evaluate import evaluate
from medgen.report.page import write_report
from medgen.report.run_report_data import Panel, RunResults


def tissue(side: int, lesion: bool, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a pink blob of tissue in a round field of view, its valid pixels and the truth of its lesion."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    folds = 0.12 * np.sin(5 * (x * random.normal() + y * random.normal()) + random.uniform(0, 6))
    light = np.clip(0.85 - 0.45 * (x**2 + y**2) + folds, 0, 1)[..., None]
    picture = light * np.array([230, 140, 115]) + random.normal(0, 4, (side, side, 3))
    cx, cy = random.uniform(-0.4, 0.4, 2)
    mask = ((x - cx) ** 2 + 1.4 * (y - cy) ** 2 < 0.07) & lesion
    picture[mask] = 0.6 * picture[mask] + np.array([90, 30, 35])
    valid = (x**2 + y**2 < 0.92) & ~((x < -0.45) & (y > 0.5))
    return np.where(valid[..., None], np.clip(picture, 0, 255), 0).astype(np.uint8), valid, mask


def make_panels(side: int) -> list[Panel]:
    panels = []
    for label in ("normal", "abnormal"):
        for place, rank in enumerate(("best", "median", "worst")):
            original, valid, mask = tissue(side, label == "abnormal", seed=place + 10 * (label == "abnormal"))
            smooth, _, _ = tissue(side, False, seed=place + 10 * (label == "abnormal"))
            error = ((original.astype(float) - smooth) ** 2).mean(axis=2).astype(np.float32) / 255**2 + 0.001 * place * valid
            score, finding = 0.004 + 0.003 * place, "polyps" if label == "abnormal" else "normal-cecum"
            truth = mask if label == "abnormal" else None
            panels.append(
                Panel(rank, label, finding, f"{finding}/{place}.jpg", score, place > 1, original, smooth, error, valid, truth)
            )
    return panels


def make_history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    noise = np.random.default_rng(1).normal(0, 0.01, (4, epochs))
    columns = {"epoch": epoch, "seconds": 3.1 * epoch, "lr.vae": 1e-3 * 0.5 ** (epoch // 12)}
    for place, kind in enumerate(("train", "val")):
        columns[f"{kind}.reconstruction"] = 14980 * (1 + np.exp(-epoch / 8) + noise[place] + 0.02 * place)
        columns[f"{kind}.kl"] = 600 * np.exp(-epoch / 10) + 14 + noise[2 + place]
    return pd.DataFrame(columns | {"diagnosis.active_latents": np.clip(epoch // 4, 0, 6)})


def make_results(normals: int = 180, abnormals: int = 120, side: int = 24, epochs: int = 3, **changes: Any) -> RunResults:
    """A run that looks like a real one."""
    random = np.random.default_rng(0)
    label = np.array(["normal"] * normals + ["abnormal"] * abnormals)
    score = np.where(label == "normal", random.gamma(6, 0.001, label.size), random.gamma(10, 0.00125, label.size))
    finding = np.where(label == "normal", np.where(np.arange(label.size) % 2, "normal-cecum", "bbps-2-3"), "polyps")
    scores = pd.DataFrame({"id": [f"{n:05d}" for n in range(label.size)], "label": label, "finding": finding, "split": "test"})
    scores["path"] = [f"{kind}/{n:05d}.jpg" for n, kind in enumerate(finding)]
    scores["group"], scores["score"], scores["abnormal"] = scores.index // 2, score, score > 0.0098765
    scores["quantile"] = [float((score[:normals] < value).mean()) if normals else None for value in score]
    columns = {
        "psnr": (22, -300),
        "ssim": (0.65, -5),
        "psnr_valid": (21.6, -280),
        "ssim_valid": (0.63, -5),
        "component_structure": (0, 1),
    }
    scores = scores.assign(**{name: start + slope * score for name, (start, slope) in columns.items()})
    panels = make_panels(side)
    maps = tuple(np.stack([getattr(panel, name) for panel in panels[3:]]) for name in ("error", "mask", "valid"))
    threshold = {"value": 0.0098765, "false_alarm_rate": 0.05, "normals": 93}
    fields: dict[str, Any] = {
        "name": "endovae-hyperkvasir",
        "backend": "endovae",
        "about": "EndoVAE: a convolutional variational autoencoder. https://doi.org/10.1109/EXAMPLE\n\nIts score is the error.",
        "dataset": {"source": "../data/hyperkvasir", "size": "96 x 96", "train": "279 frames", "val": 93, "rejected": 3},
        "scores": scores,
        "history": make_history(epochs),
        "metrics": evaluate(scores, [maps], threshold, n_bootstrap=20),
        "panels": panels,
        "samples": np.stack([tissue(side, False, seed)[0] for seed in range(9)]),
        "settings": {"backend": "endovae", "model": {"latents": 6, "weight": None}, "train": {"lr": 1e-3, "ema": {"on": False}}},
        "provenance": {"medgen": "0.1.0", "torch": "2.13.0", "device": "cpu", "command": "medgen report RUN --out R"},
        "warnings": ["The black box stands in 98 % of the normal frames but in 55 % of the polyp frames."],
        "rejected": pd.DataFrame({"file": ["a.txt", "b.jpg", "c.png"], "reason": ["not an image", "truncated", "empty file"]}),
    }
    return RunResults(**(fields | changes))


def report_page(results: list[RunResults], out: Path) -> str:
    """Write the report of these runs; return its page."""
    return write_report(results, out).read_text(encoding="utf-8")
