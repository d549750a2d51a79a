"""Comparisons that look like real ones: several backends and seeds on the same frames, with findings, groups and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pages import HOSTILE
from run_results import make_history, tissue

from medgen.data.shortcut_features import TRAITS
from medgen.report.auditing.audit import measure_shortcuts
from medgen.report.evaluate import evaluate
from medgen.report.groups import size_classes
from medgen.report.run_report_data import RunResults
from medgen.report.study.comparison import Comparison, Cost, Entry, Failure, FrameView

SKILLS = {
    "featvae": 2.6,
    "patchcore": 2.5,
    "endovae": 1.4,
    "wgan": 0.6,
}  # how far abnormal frames stand out, in standard deviations
FINDINGS = ("polyps", "ulcerative-colitis", "oesophagitis")


def make_frames(normals: int, abnormals: int) -> pd.DataFrame:
    """Frames with labels, findings and groups of two, as the scores of a run begin."""
    label = np.array(["normal"] * normals + ["abnormal"] * abnormals)
    place = np.arange(label.size)
    finding = np.where(label == "normal", np.where(place % 2, "normal-cecum", "bbps-2-3"), np.array(FINDINGS)[place % 3])
    frames = pd.DataFrame({"id": [f"{n:05d}" for n in place], "label": label, "finding": finding, "split": "test"})
    frames["path"] = [f"{kind}/{n:05d}.jpg" for n, kind in enumerate(finding)]
    return frames.assign(group=[f"patient {n // 2}" for n in place])


def make_run(name: str, skill: float, seed: int, frames: pd.DataFrame, n_bootstrap: int = 20, **changes: Any) -> RunResults:
    """A run whose abnormal frames score `skill` standard deviations higher than its normal ones."""
    random = np.random.default_rng([seed, *name.encode()])
    hard = np.random.default_rng(0).normal(size=len(frames))  # what is hard for one run is hard for the others
    abnormal = (frames["label"] == "abnormal").to_numpy()
    noise = 0.7 * hard + 0.7 * random.normal(size=len(frames)) + skill * abnormal
    score = 0.01 * np.exp(0.4 * noise)
    limit = float(np.quantile(score[~abnormal], 0.95)) if (~abnormal).any() else 0.02
    rank = np.searchsorted(np.sort(0.01 * np.exp(0.4 * random.normal(size=200))), score) / 200
    scores = frames.assign(score=score, quantile=rank, abnormal=score > limit, psnr=22 - 300 * score, ssim=0.7 - 5 * score)
    panels = [tissue(24, True, place) for place in range(4)]
    error = np.stack([np.random.default_rng(seed).random(valid.shape) + 0.2 * skill * mask for _, valid, mask in panels])
    maps = (error, np.stack([mask for _, _, mask in panels]), np.stack([valid for _, valid, _ in panels]))
    sizes = size_classes(np.where(abnormal, 0.004 + 0.1 * hard**2, np.nan).tolist())
    threshold = {"value": limit, "false_alarm_rate": 0.05, "normals": 93}
    metrics = evaluate(scores, [maps], threshold, {"size of the finding": sizes}, n_bootstrap)
    fields: dict[str, Any] = {
        "name": f"{name}-{seed}",
        "backend": name,
        "about": f"{name}: a backend made up for tests. https://doi.org/10.0000/EXAMPLE\n\nAnomaly score: none of this is real.",
        "dataset": {"source": "../data/frames", "crop": "96 x 96 x 3", "train: normal": 279},
        "scores": scores,
        "history": make_history(2),
        "metrics": metrics | {"distribution": {"measured": [_distance(skill, seed)], "reason": ""}},
        "panels": [],
        "samples": None,
        "settings": {"backend": name, "model": {"latents": 6}, "train": {"seed": seed, "epochs": 2}},
        "provenance": {"medgen": "0.1.0", "torch": "2.13.0", "device": "cpu", "command": f"medgen train {name} DATA --out RUN"},
        "warnings": ["The black box stands in 98 % of the normal frames but in 55 % of the polyp frames."],
        "rejected": pd.DataFrame({"file": [], "reason": []}),
    }
    return RunResults(**(fields | changes))


def _distance(skill: float, seed: int) -> dict[str, Any]:
    return {"extractor": "efficientnet-lite0", "fd": 40 - 3 * skill + seed, "kid": 0.1, "n_real": 100, "n_generated": 100}


def make_views(frames: pd.DataFrame, side: int, bare: bool = False) -> Callable[[Sequence[int]], list[FrameView]]:
    """Return what shows frames; a `bare` backend neither reconstructs nor localises."""

    def views(rows: Sequence[int]) -> list[FrameView]:
        found = []
        for row in rows:
            abnormal = frames["label"].iloc[row] == "abnormal"
            original, valid, mask = tissue(side, abnormal, row % 40)
            smooth, _, _ = tissue(side, False, row % 40)
            error = np.asarray(((original.astype(float) - smooth) ** 2).mean(axis=2), dtype=np.float32) * valid
            shown: tuple[NDArray | None, NDArray | None] = (None, None) if bare else (smooth, error)
            found.append(FrameView(original, *shown, valid, mask if abnormal else None))
        return found

    return views


def make_audit(frames: pd.DataFrame, scores: Mapping[str, NDArray]) -> dict[str, Any]:
    """The audit of traits that are noise, but for one."""
    random = np.random.default_rng(1)
    traits = pd.DataFrame({name: random.normal(size=len(frames)) for name in list(TRAITS)[:4]})
    traits[next(iter(TRAITS))] += 1.5 * (frames["label"] == "abnormal")
    pairs = pd.DataFrame({"kind": ["near"], "path": [frames["path"].iloc[0]], "split": "test"})
    pairs = pairs.assign(other="train/copy.jpg", other_split="train")
    found = measure_shortcuts(frames, traits, random.random(len(frames)), scores, pairs, n_bootstrap=20)
    return found | {"left_out": "", "looked": True}


def make_comparison(
    normals: int = 60,
    abnormals: int = 60,
    skills: Mapping[str, float] = SKILLS,
    seeds: int = 2,
    side: int = 32,
    frames: pd.DataFrame | None = None,
    **changes: Any,
) -> Comparison:
    """Return a comparison of backends with those skills, the last of which neither reconstructs nor localises."""
    frames = make_frames(normals, abnormals) if frames is None else frames
    entries = []
    for place, (name, skill) in enumerate(skills.items(), 1):
        runs = [make_run(name, skill, seed, frames) for seed in range(seeds)]
        costs = [Cost(100_000 * place**2, 60.0 * place + seed, 400.0 / place, 2**30 + 2**28 * place) for seed in range(seeds)]
        entries.append(Entry(name, runs, costs, make_views(frames, side, bare=place == len(skills))))
    fields: dict[str, Any] = {
        "title": "Backends on synthetic frames",
        "entries": entries,
        "failures": [Failure("stylegan", "the budget of 20m ended before the first epoch did")],
        "audit": make_audit(frames, {entry.name: entry.runs[0].scores["score"].to_numpy() for entry in entries}),
        "duplicates": pd.DataFrame({"path": ["a.jpg"], "split": ["test"], "other": ["b.jpg"], "other_split": ["train"]}),
        "rejected": pd.DataFrame({"file": ["a.txt", "b.jpg"], "reason": ["not an image", "truncated"]}),
        "study": {"dataset": "DATA", "budget": "20m", "seeds": seeds, "backends": list(skills)},
        "commands": ["medgen compare DATA --backends featvae,patchcore --out STUDY", "medgen compare STUDY/study.toml"],
    }
    return Comparison(**(fields | changes))


def hostile_comparison(end: str = "") -> Comparison:
    """Return a comparison in which every name tries to get out of its place, and ends as is said."""
    name = "".join(HOSTILE) + "</script><!--<script>" + end
    frames = make_frames(20, 20)
    frames = frames.assign(path=name + frames["path"], finding=name + frames["finding"], group=name + frames["group"])
    entries = []
    for place in range(3):
        run = make_run("vae", 1.0 + place, place, frames, n_bootstrap=20)
        settings = {"backend": name, "model": {name: name}, "train": {"seed": place}}
        run = replace(
            run, name=name, backend=name, about=name, settings=settings, warnings=[name], provenance={name: name, "command": name}
        )
        entries.append(Entry(f"{name}{place}", [run], [Cost(1, 1.0, 1.0, 1)], make_views(frames, 24)))
    table = pd.DataFrame({column: [name] for column in ("file", "reason", "path", "split", "other", "other_split")})
    return make_comparison(
        title=name, entries=entries, failures=[Failure(name, name)], audit={}, duplicates=table, rejected=table, commands=[name],
        study={name: {name: name}},
    )  # fmt: skip
