"""A backend as a scikit-learn outlier detector: scikit-learn's own checks, its signs, and the same scores as the run's."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sources import noise

import medgen
from medgen.data.prepared import open_prepared
from medgen.errors import FolderError, MedgenError
from medgen.estimator import AnomalyDetector
from medgen.types import Progress
from medgen.verbs.in_memory.told import Told

QUICK = (
    "train.epochs=1", "train.panel_epochs=0", "train.precision=float32", "model.widths=[4]", "model.latents=2",
    "model.encoder_hidden=[4]", "model.decoder_hidden=[4]", "data.batch_size=64",
)  # fmt: skip
FRAMES = np.stack([np.kron(noise(5, 6, 3, seed=k), np.ones((8, 8, 1), np.uint8)) for k in range(24)])  # (24, 40, 48, 3)


def detector(**chosen: Any) -> AnomalyDetector:
    return AnomalyDetector("vae", **{"settings": QUICK, "size": 16, "false_alarm_rate": 0.3, **chosen})


@parametrize_with_checks([detector()])
def test_it_passes_the_checks_of_scikit_learn(estimator: AnomalyDetector, check: Callable[[AnomalyDetector], None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector().fit(FRAMES)


def test_frames_score_as_the_run_scores_them_with_the_sign_turned(fitted: AnomalyDetector) -> None:
    assert fitted.score_samples(FRAMES).tolist() == (-fitted.model_.score(FRAMES).table["score"]).tolist()


def test_what_lies_above_the_threshold_of_the_run_is_an_outlier(fitted: AnomalyDetector) -> None:
    table = fitted.model_.score(FRAMES).table
    assert fitted.predict(FRAMES).tolist() == np.where(table["abnormal"], -1, 1).tolist()
    assert fitted.offset_ == -(fitted.model_.threshold or 0)
    assert np.array_equal(fitted.decision_function(FRAMES) < 0, fitted.predict(FRAMES) == -1)


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (1, 2)])
def test_fit_prints_each_epoch_where_it_is_asked_to(verbose: int, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    detector(settings=[*QUICK, "train.epochs=2", "data.batch_size=4"], verbose=verbose).fit(FRAMES)
    printed = capsys.readouterr().out.splitlines()
    assert len({line[-7:] for line in printed if line.startswith("train: ")}) == lines  # "epoch 1", "epoch 2"
    assert bool(printed) == bool(verbose)


def test_an_epoch_of_many_steps_says_once_a_minute_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    for step in range(1, 7):
        monkeypatch.setattr("medgen.verbs.in_memory.told.monotonic", lambda step=step: 1000 + 25 * step)
        told(Progress("train", step, 100, {"epoch": 1}))
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1/100", "4/100"]


@pytest.mark.parametrize(("chosen", "given"), [({"whole": True}, FRAMES), ({"image_shape": (40, 48, 3)}, FRAMES.reshape(24, -1))])
def test_pictures_that_are_taken_whole_and_are_not_square_are_refused(chosen: dict[str, Any], given: NDArray[np.uint8]) -> None:
    with pytest.raises(
        ValueError, match="X has pictures of 40 rows and 48 columns; those that are taken whole have to be square"
    ):
        detector(**chosen).fit(given)


def test_frames_are_cropped_as_medgen_prepares_them(fitted: AnomalyDetector) -> None:
    framed = np.zeros((2, 80, 100, 3), np.uint8)
    framed[:, 20:60, 26:74] = FRAMES[:2]
    index = fitted.model_.score(framed).data.index
    assert index["status"].tolist() == ["cropped"] * 2 and (index["right"] - index["left"]).max() <= 40
    assert fitted.score_samples(framed).shape == (2,)


def test_groups_are_never_divided_between_training_and_threshold(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(6), 4)
    detector(folder=tmp_path / "kept").fit(FRAMES, groups=groups)
    index = open_prepared(tmp_path / "kept" / "data").index
    assert index.groupby("group")["split"].nunique().tolist() == [1] * 6 and {*index["split"]} == {"train", "val"}


def test_a_folder_keeps_a_run_that_every_command_takes(tmp_path: Path) -> None:
    kept = detector(folder=tmp_path / "kept").fit(FRAMES)
    run = medgen.load(tmp_path / "kept" / "run")
    assert run.score(FRAMES).table["score"].tolist() == (-kept.score_samples(FRAMES)).tolist()
    with pytest.raises(FolderError, match="is not empty"):
        detector(folder=tmp_path / "kept").fit(FRAMES)


def test_a_pickled_detector_needs_no_folder_of_the_first_one() -> None:
    first = detector().fit(FRAMES)
    scores, stored = first.score_samples(FRAMES), pickle.dumps(first)
    first._scratch.remove()
    assert pickle.loads(stored).score_samples(FRAMES).tolist() == scores.tolist()


def test_rows_and_the_pictures_that_they_hold_are_the_same() -> None:
    squares = FRAMES[:, :40, :40]
    rows = detector(image_shape=(40, 40, 3)).fit(squares.reshape(24, -1))
    assert (
        rows.score_samples(squares.reshape(24, -1)).tolist() == detector(whole=True).fit(squares).score_samples(squares).tolist()
    )


def test_it_stands_in_a_pipeline() -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda frames: frames[:, ::2, ::2]), detector())
    assert {*pipeline.fit(FRAMES).predict(FRAMES)} <= {-1, 1}


def test_frames_unlike_those_that_it_learnt_from_are_less_normal() -> None:
    smooth = np.stack([np.tile(np.linspace(60 + k, 120 + k, 32, dtype=np.uint8)[:, None, None], (1, 32, 3)) for k in range(40)])
    odd = np.stack([noise(32, 32, 3, seed=k) for k in range(10)])
    learnt = detector(whole=True, settings=[*QUICK, "train.epochs=20"]).fit(smooth[:30])
    scores = learnt.score_samples(np.concatenate([smooth[30:], odd]))
    assert roc_auc_score([1] * 10 + [0] * 10, scores) > 0.95


def test_a_frame_that_shows_nothing_is_called_an_outlier_with_a_warning(fitted: AnomalyDetector) -> None:
    with pytest.warns(UserWarning, match="1 of 1 frames show too little to be scored"):
        assert fitted.predict(np.full((1, 40, 48, 3), 90, np.uint8)).tolist() == [-1]


def test_too_few_frames_for_the_rate_are_told_of_and_still_score() -> None:
    with pytest.warns(UserWarning, match="no threshold: a false-alarm rate of 0.01 needs at least 99 normal frames"):
        few = detector(false_alarm_rate=0.01).fit(FRAMES)
    assert np.isfinite(few.score_samples(FRAMES)).all()
    with pytest.raises(MedgenError, match="raise val_share or false_alarm_rate"):
        few.predict(FRAMES)


def test_pictures_of_several_sizes_score_as_the_run_scores_them() -> None:
    sizes = [np.pad(frame, ((0, 2 * (k % 3)), (0, k % 2), (0, 0)), "edge") for k, frame in enumerate(FRAMES)]
    learnt = detector().fit(sizes)
    assert learnt.score_samples(sizes).tolist() == (-learnt.model_.score(sizes).table["score"]).tolist()
    with pytest.raises(ValueError, match="whole=True takes them whole, square and all of one size"):
        detector(whole=True).fit(sizes)
    with pytest.raises(ValueError, match=r"X has pictures of \[1, 3\] channels"):
        detector().fit([*sizes, FRAMES[0, ..., 0]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (FRAMES[0], r"X has shape \(40, 48, 3\), which is one picture \(H, W, C\); expected several of them: X\[None\]"),
        (FRAMES[..., 0], "X has pictures of grey; AnomalyDetector was fitted to pictures of colour"),
        (FRAMES.reshape(24, -1), "X has rows; AnomalyDetector was fitted to pictures of colour"),
    ],
    ids=["one picture", "grey", "rows"],
)
def test_frames_of_another_form_than_those_in_fit_are_refused(fitted: AnomalyDetector, given: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted.predict(given)


def test_paths_are_refused_with_the_way_to_their_pixels() -> None:
    with pytest.raises(ValueError, match="X holds paths; expected pixels"):
        detector().fit(["a.png", "b.png"])


def test_one_setting_may_be_a_text() -> None:
    with pytest.raises(MedgenError, match=r"epoch.*did you mean 'epochs'"):
        AnomalyDetector("vae", settings="train.epoch=1", size=16).fit(FRAMES)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"X has shape \(4, 8, 8, 2\); expected \(n, H, W\)"):
        detector().fit(np.zeros((4, 8, 8, 2)))
    with pytest.raises(ValueError, match=r"image_shape is \(4, 4\), of 16 values; X has rows of 10"):
        detector(image_shape=(4, 4)).fit(np.zeros((4, 10)))


def test_values_outside_of_those_in_fit_are_refused_where_these_had_a_convention() -> None:
    learnt = detector().fit(FRAMES[:, :40, :40, 0].reshape(24, -1) / 255)
    with pytest.raises(ValueError, match="X has values from 3 to 3; those in fit were from 0 to 1"):
        learnt.score_samples(np.full((1, 1600), 3.0))


def test_a_clone_is_not_fitted_and_has_the_same_parameters(fitted: AnomalyDetector) -> None:
    again = clone(fitted)
    assert not hasattr(again, "model_") and again.get_params() == fitted.get_params()


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_a_seed_is_the_same_number_whatever_kind_of_integer_holds_it(kind: type[np.integer], tmp_path: Path) -> None:
    seeded = detector(random_state=kind(3), folder=tmp_path / "kept").fit(FRAMES)
    assert seeded.model_.run.settings.train.seed == 3


@pytest.mark.parametrize("shape", [(4, 4, 2), (2, 2, 2, 4), 32])
def test_a_shape_that_no_picture_has_is_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W\), or \(H, W, C\) with C 1 or 3"):
        detector(image_shape=shape).fit(np.arange(32.0 * 4).reshape(4, 32))


@pytest.mark.parametrize("share", [0, 1, 6, -0.5])
def test_a_share_of_validation_frames_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"val_share is {share}; expected a share of the groups, above 0 and below 1"):
        detector(val_share=share).fit(FRAMES)
