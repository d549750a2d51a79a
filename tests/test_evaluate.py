"""The numbers of the report against scikit-learn and pandas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, recall_score, roc_auc_score, roc_curve

from medgen.errors import MedgenError
from medgen.report.evaluate import evaluate

THRESHOLD = {"value": 1.0, "false_alarm_rate": 0.05, "normals": 99}


def scored(normals: int = 30, abnormals: int = 20, unlabelled: int = 5) -> pd.DataFrame:
    """A table of scored frames; every second frame is in a group of three."""
    generator = np.random.default_rng(0)
    labels = ["normal"] * normals + ["abnormal"] * abnormals + [""] * unlabelled
    count = len(labels)
    score = generator.normal(size=count) + np.array([label == "abnormal" for label in labels])
    return pd.DataFrame(
        {
            "id": [f"frame-{i}" for i in range(count)],
            "path": [f"{i}.jpg" for i in range(count)],
            "label": labels,
            "finding": [
                {"normal": ("cecum", "bbps")[i % 2], "abnormal": "polyps", "": "dyed"}[label] for i, label in enumerate(labels)
            ],
            "split": "test",
            "group": ["" if i % 2 else f"video {i // 6}" for i in range(count)],
            "score": score,
            "quantile": 0.5,
            "abnormal": score > THRESHOLD["value"],
            "psnr": 20 + generator.random(count),
            "ssim": generator.random(count),
            "psnr_valid": 21 + generator.random(count),
            "ssim_valid": generator.random(count),
            "component_squared": generator.random(count),
            "component_ssim": score**3,
        }
    )


def numbers(table: pd.DataFrame, pixel_maps=None, threshold=THRESHOLD, n_bootstrap: int = 50) -> dict:
    return evaluate(table, pixel_maps, threshold, n_bootstrap=n_bootstrap)


def blocks(frames: int = 6, side: int = 16):
    """Two blocks of maps, masks and valid pixels, as a generator that can be read once."""
    generator = np.random.default_rng(1)
    for _ in range(2):
        masks = np.zeros((frames, side, side), bool)
        masks[::2, 4:9, 4:9] = True
        yield (generator.random(masks.shape) + masks).astype(np.float32), masks, generator.random(masks.shape) < 0.9


def test_detection_is_that_of_scikit_learn() -> None:
    table = scored()
    labelled = table[table["label"] != ""]
    truth, scores = labelled["label"] == "abnormal", labelled["score"]
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    values = {name: entry["value"] for name, entry in numbers(table)["detection"].items()}
    assert values == pytest.approx(
        {
            "auroc": roc_auc_score(truth, scores),
            "average_precision": average_precision_score(truth, scores),
            "sensitivity_at_90_specificity": true[false <= 0.1 + 1e-9].max(),
            "sensitivity_at_95_specificity": true[false <= 0.05 + 1e-9].max(),
        }
    )


def test_each_value_lies_in_its_interval() -> None:
    assert all(
        entry["low"] <= entry["value"] <= entry["high"] for entry in numbers(scored(), n_bootstrap=500)["detection"].values()
    )


def test_parts_have_their_own_auroc() -> None:
    table = scored()
    labelled = table[table["label"] != ""]
    parts = numbers(table)["components"]
    expected = {
        name: roc_auc_score(labelled["label"] == "abnormal", labelled[f"component_{name}"]) for name in ("squared", "ssim")
    }
    assert {name: part["auroc"]["value"] for name, part in parts.items()} == pytest.approx(expected)


def test_frames_and_groups_are_counted() -> None:
    table = scored()
    groups = table.loc[table["group"] != "", "group"].nunique() + (table["group"] == "").sum()
    assert numbers(table)["frames"] == {"normal": 30, "abnormal": 20, "unlabelled": 5, "groups": groups}


def test_a_group_that_is_named_like_a_row_is_no_own_group() -> None:
    table = scored().assign(group=[""] + ["frame 0"] * 54)
    assert numbers(table)["frames"]["groups"] == 2


def test_quality_is_mean_deviation_and_count_per_class() -> None:
    table = scored()
    values = table.loc[table["label"] == "abnormal", "psnr"].to_numpy()
    expected = {"mean": values.mean(), "std": values.std(ddof=1), "n": 20}
    assert numbers(table)["quality"]["abnormal"]["psnr"] == pytest.approx(expected)


def test_undefined_quality_of_a_frame_is_left_out() -> None:
    table = scored()
    table.loc[0, "ssim_valid"] = np.nan
    assert numbers(table)["quality"]["normal"]["ssim_valid"]["n"] == 29


def test_a_backend_that_cannot_reconstruct_has_no_quality() -> None:
    table = scored().drop(columns=["psnr", "ssim", "psnr_valid", "ssim_valid"])
    assert numbers(table)["quality"] == {"normal": {}, "abnormal": {}}


def test_the_threshold_is_passed_on_with_the_frames_above_it() -> None:
    table = scored()
    above = table["score"] > 1.0
    expected = {
        **THRESHOLD,
        "flagged_normal": {"count": (above & (table["label"] == "normal")).sum(), "of": 30},
        "flagged_abnormal": {"count": (above & (table["label"] == "abnormal")).sum(), "of": 20},
    }
    assert {name: value for name, value in numbers(table)["threshold"].items() if name in expected} == expected


def test_decisions_are_measured_as_scikit_learn_does() -> None:
    table = scored()
    labelled = table[table["label"] != ""]
    truth, called = labelled["label"] == "abnormal", labelled["abnormal"]
    found = {name: interval["value"] for name, interval in numbers(table)["threshold"]["decisions"].items()}
    assert found["f1"] == pytest.approx(f1_score(truth, called))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, called))
    assert found["sensitivity"] == pytest.approx(recall_score(truth, called))


def test_the_promise_is_held_against_the_false_alarms_of_normal_frames() -> None:
    table = scored()
    alarms = table["abnormal"][table["label"] == "normal"]
    promise = numbers(table)["threshold"]["promise"]
    inside = binomtest(int(alarms.sum()), len(alarms)).proportion_ci(method="exact")
    assert promise["value"] == pytest.approx(alarms.mean()) and promise["kept"] is bool(inside.low <= 0.05)


def test_the_share_flagged_of_a_finding_has_its_interval() -> None:
    entry = next(row for row in numbers(scored())["findings"] if row["label"] == "abnormal")
    expected = binomtest(entry["flagged"], entry["frames"]).proportion_ci(method="exact")
    assert [entry["share_flagged"]["low"], entry["share_flagged"]["high"]] == pytest.approx([expected.low, expected.high])


def test_maps_are_cut_at_the_stated_level_for_dice() -> None:
    assert "dice" not in numbers(scored(), blocks())["pixel"]
    pixel = numbers(scored(), blocks(), THRESHOLD | {"pixel_level": 0.5})["pixel"]
    truth, called = (np.concatenate([part.ravel() for part in parts]) for parts in _pixels(0.5))
    assert pixel["dice_pooled"] == pytest.approx(f1_score(truth, called))


def _pixels(level: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return truth and decision of the valid pixels of each block."""
    truths, calls = [], []
    for maps, masks, valid in blocks():
        truths.append(masks[valid])
        calls.append(maps[valid] > level)
    return truths, calls


def test_without_a_decision_column_the_threshold_decides() -> None:
    assert numbers(scored().drop(columns="abnormal")) == numbers(scored())


def test_without_a_threshold_nothing_is_flagged() -> None:
    result = numbers(scored().drop(columns="abnormal"), threshold=None)
    assert result["threshold"] == {}
    assert {entry["flagged"] for entry in result["findings"]} == {None}


def test_findings_come_normal_first_and_unlabelled_last() -> None:
    table = scored()
    findings = numbers(table)["findings"]
    assert [(entry["finding"], entry["label"], entry["frames"]) for entry in findings] == [
        ("bbps", "normal", 15),
        ("cecum", "normal", 15),
        ("polyps", "abnormal", 20),
        ("dyed", "", 5),
    ]


def test_findings_have_mean_score_and_flagged_count() -> None:
    table = scored()
    polyps = table[table["finding"] == "polyps"]
    entry = next(entry for entry in numbers(table)["findings"] if entry["finding"] == "polyps")
    assert entry["mean_score"] == pytest.approx(polyps["score"].mean())
    assert entry["flagged"] == (polyps["score"] > 1.0).sum()


def test_pixel_numbers_are_those_of_scikit_learn_over_all_blocks() -> None:
    maps, masks, valid = (np.concatenate(parts) for parts in zip(*blocks(), strict=True))
    pixel = numbers(scored(), blocks())["pixel"]
    assert pixel["auroc"] == pytest.approx(roc_auc_score(masks[valid], maps[valid]), abs=1e-3)
    assert pixel["average_precision"] == pytest.approx(average_precision_score(masks[valid], maps[valid]), abs=5e-3)
    shown = masks.any(axis=(1, 2))
    maps, masks, valid = maps[shown], masks[shown], valid[shown]
    assert pixel["auroc_with_finding"] == pytest.approx(roc_auc_score(masks[valid], maps[valid]), abs=1e-3)
    assert pixel["average_precision_with_finding"] == pytest.approx(average_precision_score(masks[valid], maps[valid]), abs=5e-3)


def test_pixel_has_the_keys_of_the_report() -> None:
    pixel = numbers(scored(), blocks())["pixel"]
    alone = {"auroc_with_finding", "average_precision_with_finding", "aupro_0.3_with_finding"}
    assert set(pixel) == {"auroc", "average_precision", "aupro_0.3", "aupro_0.05", "error_bound", "frames", *alone}
    assert pixel["frames"] == 12


@pytest.mark.parametrize("pixel_maps", [None, [], [(np.ones((2, 8, 8)), np.zeros((2, 8, 8), bool), np.ones((2, 8, 8), bool))]])
def test_without_annotated_pixels_there_are_no_pixel_numbers(pixel_maps) -> None:
    assert numbers(scored(), pixel_maps)["pixel"] == {}


@pytest.mark.parametrize("sizes", [(30, 0, 0), (0, 20, 0), (0, 0, 5), (30, 0, 5), (0, 0, 0)])
def test_without_both_classes_there_is_no_detection_but_everything_else(sizes: tuple[int, int, int]) -> None:
    result = numbers(scored(*sizes))
    assert (result["detection"], result["components"]) == ({}, {})
    assert [result["frames"][name] for name in ("normal", "abnormal", "unlabelled")] == list(sizes)
    assert result["threshold"]["flagged_normal"]["of"] == sizes[0]
    assert sum(entry["frames"] for entry in result["findings"]) == sum(sizes)


@pytest.mark.parametrize("sizes", [(30, 20, 5), (30, 0, 0), (1, 1, 0), (0, 0, 0)])
def test_every_value_is_plain_json(sizes: tuple[int, int, int]) -> None:
    result = numbers(scored(*sizes), blocks(), THRESHOLD | {"value": np.float32(1), "normals": np.int64(99)})
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_undefined_number_is_none() -> None:
    result = numbers(scored(1, 1, 0))
    assert result["detection"]["auroc"]["low"] is None
    assert result["quality"]["normal"]["psnr"]["std"] is None


def test_a_table_read_back_from_csv_gives_the_same_numbers(tmp_path) -> None:
    scored().to_csv(tmp_path / "scores.csv", index=False)
    assert numbers(pd.read_csv(tmp_path / "scores.csv")) == numbers(scored())


def test_the_order_of_the_rows_does_not_matter() -> None:
    table = scored()
    table["group"] = table["group"].where(table["group"] != "", table["id"])
    shuffled = table.sample(frac=1, random_state=0)
    ours, theirs = numbers(shuffled), numbers(table)
    assert ours["detection"] == theirs["detection"]
    assert ours["frames"] == theirs["frames"]


def test_the_table_is_left_as_it_was() -> None:
    table = scored()
    numbers(table)
    pd.testing.assert_frame_equal(table, scored())


def test_the_bootstrap_is_described() -> None:
    assert numbers(scored(), n_bootstrap=7)["bootstrap"] == {"draws": 7, "level": 0.95, "by": "group"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns=["score", "label"]), "no column label, score"),
        (lambda table: table.assign(label="benign"), "label 'benign'; expected normal, abnormal"),
        (lambda table: table.assign(score=[np.nan, *table["score"][1:]]), "1 frame has no score, the first is 'frame-0'"),
        (lambda table: table.assign(component_ssim=np.nan), "55 frames have no component_ssim"),
        (lambda table: table.assign(abnormal="False"), "expected True or False"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(change, message: str) -> None:
    with pytest.raises(MedgenError, match=message) as failure:
        numbers(change(scored()))
    assert "\n" not in str(failure.value)
