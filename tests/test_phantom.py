"""The phantom set: what is written, what the masks say, and that nothing but the lesions gives the label away."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medgen.config import ConfigError
from medgen.data.phantom.frames import COLUMNS, FrameKey, PhantomSettings, frame_keys, make_phantom, overlay_of, render
from medgen.errors import DataError
from medgen.types import Progress

SMALL = PhantomSettings(train=9, val=3, test_normal=5, test_abnormal=6, width=180, height=160)
MANY = PhantomSettings(width=180, height=160)
ABNORMAL = [FrameKey(2, 1, k) for k in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phantom(tmp_path_factory.mktemp("phantom") / "set", SMALL)


@pytest.fixture(scope="module")
def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    assert contents(make_phantom(tmp_path / "again", SMALL)) == contents(folder)


def test_another_seed_gives_other_frames():
    first, second = (render(SMALL.model_copy(update={"seed": seed}), FrameKey(0, 0, 0))[0] for seed in (0, 1))
    assert abs(first.astype(int) - second).mean() > 5


def test_a_frame_does_not_depend_on_how_many_others_there_are():
    first, second = (render(SMALL.model_copy(update={"train": n}), FrameKey(2, 1, 3))[0] for n in (1, 50))
    assert np.array_equal(first, second)


def test_no_two_frames_are_alike():
    frames = [render(SMALL, key)[0].astype(int) for key in frame_keys(SMALL)]
    assert min(abs(a - b).mean() for a, b in itertools.combinations(frames, 2)) > 3


def test_manifest_has_a_row_with_the_known_columns_for_every_frame(folder, manifest):
    assert tuple(manifest[0]) == COLUMNS
    assert len(manifest) == 23
    assert {row["file"] for row in manifest} == {name for name in contents(folder) if name.endswith(".jpg")}


def test_manifest_has_the_asked_number_of_frames_in_each_part(manifest):
    counts = Counter((row["split"], row["label"], row["finding"]) for row in manifest)
    assert counts == {
        ("train", "normal", "normal"): 9,
        ("val", "normal", "normal"): 3,
        ("test", "normal", "normal"): 5,
        ("test", "abnormal", "polyp"): 6,
    }


def test_a_split_never_divides_a_group():
    groups: dict[str, set[int]] = {}
    for key in frame_keys(MANY):
        groups.setdefault(key.group, set()).add(key.split)
    assert all(len(splits) == 1 for splits in groups.values())
    assert len(groups) == 50 + 10 + 25


def test_normal_and_abnormal_test_frames_share_their_groups():
    groups = [{key.group for key in frame_keys(MANY) if key.split == 2 and key.label == label} for label in (0, 1)]
    assert groups[0] == groups[1]


def test_frames_of_a_group_share_their_tone_more_than_frames_of_others():
    tones = {}
    for key in [FrameKey(0, 0, k) for k in range(96)]:
        frame, _ = render(MANY, key)
        tissue = frame[~overlay_of(MANY, key).hidden()].astype(float)  # (pixels, 3)
        tones.setdefault(key.group, []).append(tissue[:, 2].sum() / tissue.sum())
    within = np.mean([np.var(values) for values in tones.values()])
    assert np.var([np.mean(values) for values in tones.values()]) > 2 * within


def test_every_abnormal_frame_has_a_mask_of_its_size_and_stem(folder, manifest):
    for row in manifest:
        assert bool(row["mask"]) == (row["label"] == "abnormal")
        if row["mask"]:
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_UNCHANGED)
            assert Path(row["mask"]).stem == Path(row["file"]).stem
            assert mask.shape == cv2.imread(str(folder / row["file"])).shape[:2] == (160, 180)
            assert set(np.unique(mask)) == {0, 255}


def test_normal_frames_have_an_empty_mask():
    assert not any(render(MANY, FrameKey(2, 0, k))[1].any() for k in range(6))


@pytest.mark.parametrize("difficulty", [0.0, 0.3, 1.0])
def test_every_masked_pixel_was_changed_by_the_lesion(difficulty):
    settings = MANY.model_copy(update={"difficulty": difficulty})
    for key in ABNORMAL:
        (frame, mask), (before, _) = render(settings, key), render(settings, key, lesions=False)
        changed = abs(frame.astype(int) - before).max(-1)[mask]
        assert mask.mean() > 0.005
        assert (changed >= 2).mean() > 0.99


def test_beyond_a_lesion_and_its_shadow_nothing_was_changed():
    for key in ABNORMAL:
        (frame, mask), (before, _) = render(MANY, key), render(MANY, key, lesions=False)
        far = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)), iterations=60) == 0
        assert np.array_equal(frame[far], before[far])


def test_a_lesion_is_nowhere_hidden_by_border_text_or_box():
    for key in ABNORMAL:
        assert not (render(MANY, key)[1] & overlay_of(MANY, key).hidden()).any()


def test_difficulty_lowers_the_contrast_and_the_size_of_lesions():
    contrast, size = [], []
    for difficulty in (0.0, 0.3, 0.6, 1.0):
        settings = MANY.model_copy(update={"difficulty": difficulty})
        pairs = [(*render(settings, key), render(settings, key, lesions=False)[0]) for key in ABNORMAL]
        contrast.append(np.mean([abs(frame.astype(int) - before)[mask].mean() for frame, mask, before in pairs]))
        size.append(np.mean([mask.mean() for _, mask, _ in pairs]))
    assert contrast == sorted(contrast, reverse=True) and contrast[0] > 2 * contrast[-1]
    assert size == sorted(size, reverse=True) and size[0] > 3 * size[-1]


def test_box_text_and_border_are_the_same_in_both_labels():
    for k in range(40):
        normal, abnormal = (overlay_of(MANY, FrameKey(2, label, k)) for label in (0, 1))
        assert (normal.box, normal.colour) == (abnormal.box, abnormal.colour)
        assert np.array_equal(normal.field, abnormal.field) and np.array_equal(normal.text, abnormal.text)


def test_no_box_black_box_and_green_box_all_occur_in_every_split():
    for split in range(3):
        assert {overlay_of(MANY, FrameKey(split, 0, k)).kind for k in range(60)} == {"none", "black", "green"}


def test_the_box_stands_in_the_lower_left_in_its_colour():
    kinds = set()
    for k in range(30):
        key = FrameKey(0, 0, k)
        overlay, (frame, _) = overlay_of(MANY, key), render(MANY, key)
        if overlay.box is not None:
            kinds.add(overlay.kind)
            inside = frame[overlay.box.top : overlay.box.bottom, overlay.box.left : overlay.box.right]
            assert overlay.box.left == 0 and overlay.box.bottom == 160
            colour = np.median(inside.reshape(-1, 3), 0)
            assert (colour < 10).all() if overlay.kind == "black" else colour[1] > 2 * colour[0]
    assert kinds == {"black", "green"}


def test_borders_are_dark_and_of_several_shapes():
    corners = []
    for k in range(0, 200, 8):
        overlay = overlay_of(MANY, FrameKey(0, 0, k))
        frame, _ = render(MANY, FrameKey(0, 0, k))
        assert frame[(overlay.field == 0) & (overlay.text == 0) & (overlay.hidden())][:, 0].mean() < 20
        corners.append(float((overlay.field[:40, -40:] > 0.5).mean()))
    assert min(corners) < 0.5 < 0.75 < max(corners)


def test_simple_features_do_not_tell_the_labels_apart():
    features, labels = [], []
    for key in [FrameKey(2, label, k) for label in (0, 1) for k in range(70)]:
        frame, _ = render(MANY, key)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        dark = (frame.max(-1) < 25).mean()
        features.append((frame.mean(), frame[..., 0].mean(), dark, cv2.Laplacian(grey, cv2.CV_64F).var()))
        labels.append(key.label)
    for values in np.array(features).T:
        assert 0.35 < roc_auc_score(labels, values) < 0.65


def test_progress_counts_every_frame(tmp_path):
    heard: list[Progress] = []
    make_phantom(tmp_path / "set", SMALL.model_copy(update={"train": 1, "val": 0, "test_normal": 0}), heard.append)
    assert [(report.done, report.total) for report in heard] == [(n, 7) for n in range(1, 8)]


def test_the_set_is_written_over_an_earlier_phantom_set(folder, tmp_path):
    make_phantom(tmp_path / "set", SMALL.model_copy(update={"seed": 4, "test_normal": 1, "test_abnormal": 1}))
    assert contents(make_phantom(tmp_path / "set", SMALL)) == contents(folder)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.doc").write_text("three years of work")
    with pytest.raises(DataError, match=r"thesis\.doc"):
        make_phantom(tmp_path, SMALL)


@pytest.mark.parametrize("wrong", [{"difficulty": 1.5}, {"train": -1}, {"width": 40}, {"colour": "red"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        PhantomSettings.parse(wrong)
