"""The one table of measures: what each is called, its unit, which way is better, what it means and which function computes it.

`evaluate`, the page of a run, the terminal, the comparison of runs with its CSV, LaTeX and PDF, and the "measures" of its
``metrics.json`` are all fed from `MEASURES`. A new measure is a pure function in `medgen.metrics` and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from medgen.metrics.decisions import balanced_accuracy, f1, precision, sensitivity, specificity
from medgen.metrics.detection import auroc, average_precision, sensitivity_at_specificity
from medgen.metrics.distribution import density_coverage, kernel_distance, precision_recall
from medgen.metrics.image import qualities
from medgen.metrics.intervals import mean_interval
from medgen.metrics.moments import frechet_distance
from medgen.metrics.pixel import PixelHistogram
from medgen.report.run_metrics import RunMetrics

Section = Literal["detection", "components", "decisions", "classes", "pixel", "quality", "distribution", "path_length", "cost"]
Unit = Literal["ratio", "dB", "distance", "count", "seconds", "rate", "bytes"]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes
    ----------
    key : in its section of ``metrics.json``
    section : where it applies: the anomaly score ("detection"), one component of it ("components"), the decisions at the
        threshold ("decisions"), what classifiers say ("classes"), score maps ("pixel"), reconstructions ("quality"), samples
        ("distribution", "path_length"), the training and scoring itself ("cost")
    title : what pages, tables and plots call it
    unit : "ratio" is a number from 0 to 1, or from -1 to 1 for a correlation
    better : which way is better
    meaning : a clause in plain words, without a full stop
    statistic : the function that computes it. In detection, components and decisions a `medgen.metrics.detection.Statistic`; in
        quality, pixel and distribution what computes several measures at once; None for what is noted while a run trains or is
        drawn
    column : its key in the summary of a comparison; "" where it is not compared
    cut_by_labels : whether a cut is placed by the labels of the very frames that it is measured on
    """

    key: str
    section: Section
    title: str
    unit: Unit
    better: Literal["higher", "lower"]
    meaning: str
    statistic: Callable[..., Any] | None = None
    column: str = ""
    cut_by_labels: bool = False

    @property
    def sentence(self) -> str:
        """The meaning as a sentence that says which way is better."""
        return f"{self.meaning[0].upper()}{self.meaning[1:]}; {self.better} is better."


MEASURES: tuple[Measure, ...] = (
    Measure("auroc", "detection", "AUROC", "ratio", "higher", "the chance that a randomly drawn abnormal frame scores above a "
            "randomly drawn normal one; 0.5 is guessing, 1 is perfect", auroc, "auroc"),
    Measure("average_precision", "detection", "Average precision", "ratio", "higher", "precision averaged over all levels of "
            "sensitivity; guessing gives the share of abnormal frames, 1 is perfect", average_precision, "average_precision"),
    Measure("sensitivity_at_90_specificity", "detection", "Sensitivity at 90 % specificity", "ratio", "higher", "share of the "
            "abnormal frames found where 10 % of these normal frames are falsely flagged; a test label has touched this cut",
            partial(sensitivity_at_specificity, specificity=0.9), cut_by_labels=True),
    Measure("sensitivity_at_95_specificity", "detection", "Sensitivity at 95 % specificity", "ratio", "higher", "share of the "
            "abnormal frames found where 5 % of these normal frames are falsely flagged; a test label has touched this cut",
            partial(sensitivity_at_specificity, specificity=0.95), "sensitivity_at_95_specificity", cut_by_labels=True),
    Measure("auroc", "components", "AUROC of a score component", "ratio", "higher", "one ingredient of the score, ranked on its "
            "own", auroc),
    Measure("sensitivity", "decisions", "Sensitivity at the threshold", "ratio", "higher", "share of the abnormal frames that "
            "are flagged", sensitivity),
    Measure("specificity", "decisions", "Specificity at the threshold", "ratio", "higher", "share of the normal frames that are "
            "not flagged", specificity),
    Measure("precision", "decisions", "Precision at the threshold", "ratio", "higher", "share of the flagged frames that are "
            "abnormal; it depends on how many there are in this test split", precision),
    Measure("f1", "decisions", "F1 at the threshold", "ratio", "higher", "harmonic mean of precision and sensitivity, at this "
            "threshold and not at the one that suits these frames best", f1),
    Measure("balanced_accuracy", "decisions", "Balanced accuracy at the threshold", "ratio", "higher", "mean of sensitivity and "
            "specificity; 0.5 is guessing", balanced_accuracy),
    Measure("accuracy", "classes", "Accuracy of a classifier", "ratio", "higher", "share of the test frames with a named finding "
            "that the classifier calls by that name", mean_interval),
    Measure("auroc", "pixel", "Pixel AUROC", "ratio", "higher", "the chance that a pixel inside a finding scores above one "
            "outside; large normal areas make it look good, and what guesses by the place or the colour "
            "alone is far above 0.5, so that the maps without a model are the level to beat", PixelHistogram),
    Measure("average_precision", "pixel", "Pixel average precision", "ratio", "higher", "precision averaged over all levels of "
            "sensitivity; a map of random numbers gives the share of pixels inside findings", PixelHistogram),
    Measure("aupro_0.3", "pixel", "Pixel AUPRO up to 0.3", "ratio", "higher", "overlap with each finding, small or large counted "
            "alike, averaged over false-positive rates up to 0.3 and scaled to 1", PixelHistogram, "aupro"),
    Measure("aupro_0.05", "pixel", "Pixel AUPRO up to 0.05", "ratio", "higher", "the same overlap for false-positive rates up to "
            "0.05: where few normal pixels are marked", PixelHistogram),
    Measure("auroc_with_finding", "pixel", "Pixel AUROC, frames with a finding alone", "ratio", "higher", "pixel AUROC without "
            "the pixels of normal frames: whether the map points at the right place of a frame that has one", PixelHistogram),
    Measure("average_precision_with_finding", "pixel", "Pixel average precision, frames with a finding alone", "ratio", "higher",
            "pixel average precision without the pixels of normal frames", PixelHistogram),
    Measure("aupro_0.3_with_finding", "pixel", "Pixel AUPRO up to 0.3, frames with a finding alone", "ratio", "higher", "AUPRO "
            "without the pixels of normal frames", PixelHistogram),
    Measure("dice", "pixel", "Dice, mean over frames", "ratio", "higher", "overlap of the marked pixels with the finding, twice "
            "the intersection over the sum of both; maps are cut where 99 % of the pixels of normal validation frames lie below",
            PixelHistogram),
    Measure("dice_pooled", "pixel", "Dice, all pixels together", "ratio", "higher", "Dice over the pixels of all frames at once, "
            "normal ones too", PixelHistogram),
    Measure("psnr", "quality", "PSNR", "dB", "higher", "how close a copy of the whole crop is, its overlay blanked; no measure "
            "of detection", qualities, "psnr"),
    Measure("ssim", "quality", "SSIM", "ratio", "higher", "how close a copy of the whole crop is in its structure, its overlay "
            "blanked; 1 is identical", qualities, "ssim"),
    Measure("psnr_valid", "quality", "PSNR, valid pixels", "dB", "higher", "how close a copy of the tissue alone is",
            qualities),
    Measure("ssim_valid", "quality", "SSIM, valid pixels", "ratio", "higher", "how close a copy of the tissue alone is in its "
            "structure", qualities),
    Measure("fid", "distribution", "FID", "distance", "lower", "Fréchet distance between features of generated and of real "
            "normal frames", frechet_distance, "distance"),
    Measure("fd", "distribution", "FD", "distance", "lower", "Fréchet distance between features of generated and of real normal "
            "frames; not an FID, as another net made the features", frechet_distance, "distance"),
    Measure("kid", "distribution", "KID", "distance", "lower", "kernel distance between features of generated and of real "
            "frames, unbiased for few frames", kernel_distance),
    Measure("precision", "distribution", "Precision of samples", "ratio", "higher", "share of generated frames that lie among "
            "real ones", precision_recall),
    Measure("recall", "distribution", "Recall of samples", "ratio", "higher", "share of real frames that lie among generated "
            "ones", precision_recall),
    Measure("density", "distribution", "Density of samples", "ratio", "higher", "how many real neighbourhoods hold a generated "
            "frame, over what is expected", density_coverage),
    Measure("coverage", "distribution", "Coverage of samples", "ratio", "higher", "share of real neighbourhoods that hold a "
            "generated frame", density_coverage),
    Measure("value", "path_length", "Perceptual path length in w", "distance", "lower", "how much frames change on the way "
            "between two styles; shorter means more evenly, and only values of the same net compare"),
    Measure("parameters", "cost", "Parameters", "count", "lower", "weights that are trained", column="parameters"),
    Measure("training_seconds", "cost", "Training time", "seconds", "lower", "of steps and validations, on the machine of the "
            "run", column="training_seconds"),
    Measure("frames_per_second", "cost", "Frames per second", "rate", "higher", "scored, on the machine of the run",
            column="frames_per_second"),
    Measure("peak_memory", "cost", "Peak memory", "bytes", "lower", "by which the process grew while it trained; libraries are "
            "not counted", column="peak_memory"),
)  # fmt: skip


class MeasuredValue(NamedTuple):
    """A measure of a run.

    Attributes
    ----------
    measure : of the table
    of : what of the run it speaks of (a score component, "normal frames", a net, ...); "" for all of it
    value : None where it is undefined
    low, high : its interval; None where there is none
    std : over frames or subsets; None where it is not known
    """

    measure: Measure
    of: str
    value: float | None
    low: float | None = None
    high: float | None = None
    std: float | None = None


def measures_of(section: Section) -> list[Measure]:
    """Return the measures of a section, in the order of the table."""
    return [measure for measure in MEASURES if measure.section == section]


def statistics_of(section: Section) -> dict[str, Callable[..., Any]]:
    """Return key -> function of the measures of a section that have one."""
    return {measure.key: measure.statistic for measure in measures_of(section) if measure.statistic is not None}


def measured_values(metrics: RunMetrics) -> Iterator[MeasuredValue]:
    """Yield the measures of the table that a run's metrics hold, in the order of the table; those of its cost are not in them."""
    for measure in MEASURES:
        for of, numbers in _parts(metrics, measure.section):
            number = numbers.get(measure.key)
            if isinstance(number, Mapping):
                value = number.get("value", number.get("mean"))
                yield MeasuredValue(measure, of, value, number.get("low"), number.get("high"), number.get("std"))
            elif measure.key in numbers:
                yield MeasuredValue(measure, of, number, std=numbers.get(f"{measure.key}_std"))


def _parts(metrics: RunMetrics, section: Section) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what of a run a section of measures speaks of: name -> key of a measure -> a number, or mapping of numbers."""
    parts: dict[Section, list[tuple[str, Mapping[str, Any]]]] = {
        "detection": [("", metrics.get("detection") or {})],
        "components": [*(metrics.get("components") or {}).items()],
        "decisions": [("", (metrics.get("threshold") or {}).get("decisions") or {})],
        "classes": [*(metrics.get("classes") or {}).items()],
        "pixel": [("", (metrics.get("pixel") or {}) | ((metrics.get("localisation") or {}).get("model") or {}))],
        "quality": [(f"{label} frames", means) for label, means in (metrics.get("quality") or {}).items()],
        "distribution": [
            (str(samples["extractor"]), samples) for samples in (metrics.get("distribution") or {}).get("measured") or []
        ],
        "path_length": [("", metrics.get("path_length") or {})],
        "cost": [],
    }
    return parts[section]
