"""Augmentation: draws, the batch path in torch and the single-frame path in MONAI."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from drawn_changes import SIDE, batch, frame, one
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import Resize, Rotate90, ScaleIntensityFixedMean, SpatialCrop
from skimage.transform import rotate

from medgen.config import ConfigError
from medgen.data.augmenting.augment import AugmentSettings, Draws, draw
from medgen.data.augmenting.augmented import apply, apply_one


def disagreement(seed: int, draws: Draws) -> tuple[np.ndarray, float]:
    """Return the differences in grey levels where both paths are valid, and the share of pixels valid in one path alone."""
    pixels, valid = frame(seed)
    image, kept = apply(*batch(pixels, valid), draws)
    other, other_kept = apply_one(pixels, valid, draws, 0)
    both = kept[0, 0].numpy() & other_kept
    levels = image[0].movedim(0, -1).numpy() * 255
    return abs(levels - other)[both], float((kept[0, 0].numpy() != other_kept).mean())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 99),
    flip=st.booleans(),
    angle=st.floats(-np.pi, np.pi),
    zoom=st.floats(0.6, 1.6),
    contrast=st.floats(0.0, 2.0),
    shift=st.floats(-0.5, 0.5),
)
def test_batch_and_monai_give_the_same_picture_for_the_same_draw(seed, flip, angle, zoom, contrast, shift):
    difference, apart = disagreement(seed, one(flip, angle, zoom, contrast, shift))
    assert difference.max(initial=0) <= 0.51  # half a grey level is the rounding to uint8
    assert apart <= 0.001


@pytest.mark.parametrize("angle", [np.pi / 2, -np.pi / 2, np.pi, np.pi / 4])
def test_batch_and_monai_agree_on_right_angles(angle):
    difference, apart = disagreement(0, one(True, angle))
    assert difference.max() <= 0.51
    assert apart == 0


def test_a_batch_of_many_draws_equals_its_frames_one_by_one_in_monai():
    frames = [frame(seed) for seed in range(12)]
    draws = draw(AugmentSettings(), 12, np.random.default_rng(5))
    parts = [batch(*item) for item in frames]
    image, kept = apply(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), draws)
    for k, (pixels, valid) in enumerate(frames):
        other, other_kept = apply_one(pixels, valid, draws, k)
        both = kept[k, 0].numpy() & other_kept
        assert abs(image[k].movedim(0, -1).numpy() * 255 - other)[both].max() <= 0.51


def test_zero_draws_change_nothing():
    image, valid = batch(*frame(1))
    changed, kept = apply(image, valid, one())
    torch.testing.assert_close(changed, image, rtol=0, atol=1e-7)
    assert torch.equal(kept, valid)


def test_zero_draws_change_nothing_in_monai():
    pixels, valid = frame(1)
    changed, kept = apply_one(pixels, valid, one(), 0)
    assert np.array_equal(changed, pixels * valid[..., None])
    assert np.array_equal(kept, valid)


def test_a_frame_with_zero_draws_stays_as_it_is_among_turned_ones():
    pixels, valid = frame(1)
    image, known = batch(pixels, valid)
    draws = Draws(np.array([False, True]), np.array([0.0, 0.3]), np.array([1.0, 1.1]), np.array([1.0, 0.9]), np.zeros((2, 2)))
    changed, kept = apply(image.repeat(2, 1, 1, 1), known.repeat(2, 1, 1, 1), draws)
    torch.testing.assert_close(changed[0], image[0], rtol=0, atol=1e-4)
    assert torch.equal(kept[0], known[0])


def test_flipping_twice_changes_nothing():
    image, valid = batch(*frame(2))
    changed, kept = apply(*apply(image, valid, one(flip=True)), one(flip=True))
    torch.testing.assert_close(changed, image, rtol=0, atol=1e-7)
    assert torch.equal(kept, valid)


def test_flipping_mirrors_left_and_right():
    image, valid = batch(*frame(2))
    torch.testing.assert_close(apply(image, valid, one(flip=True))[0], image.flip(-1), rtol=0, atol=1e-7)


def test_a_positive_angle_turns_anticlockwise_as_in_scikit_image():
    pixels, _ = frame(3)
    image, valid = batch(pixels, np.ones((SIDE, SIDE), bool))
    changed, kept = apply(image, valid, one(angle=0.3))
    expected = rotate(pixels.astype(float) / 255, np.degrees(0.3), order=1)  # (S, S, C)
    inside = cv2.erode(kept[0, 0].numpy().astype(np.uint8), np.ones((3, 3))) > 0
    assert abs(changed[0].movedim(0, -1).numpy() - expected)[inside].max() < 1e-3


def test_a_positive_angle_turns_anticlockwise_in_monai_too():
    pixels, _ = frame(3)
    changed, kept = apply_one(pixels, np.ones((SIDE, SIDE), bool), one(angle=0.3), 0)
    expected = rotate(pixels.astype(float), np.degrees(0.3), order=1)
    inside = cv2.erode(kept.astype(np.uint8), np.ones((3, 3))) > 0
    assert abs(changed - expected)[inside].max() < 0.8


def test_zoom_above_one_enlarges_as_in_opencv():
    pixels, _ = frame(4)
    image, valid = batch(pixels, np.ones((SIDE, SIDE), bool))
    changed, _ = apply(image, valid, one(zoom=1.25))
    middle = (SIDE - 1) / 2
    matrix = np.array([[1.25, 0, middle * (1 - 1.25)], [0, 1.25, middle * (1 - 1.25)]])
    expected = cv2.warpAffine(pixels.astype(np.float32) / 255, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    assert abs(changed[0].movedim(0, -1).numpy() - expected).max() < 0.02  # OpenCV rounds positions to 1/32 pixel


def test_contrast_stretches_about_the_mean_of_the_valid_pixels_of_each_channel():
    pixels, valid = frame(5)
    pixels = (pixels // 3 + 80).astype(np.uint8)  # far from 0 and 255, so that nothing is clipped
    image, known = batch(pixels, valid)
    changed, _ = apply(image, known, one(contrast=1.1))
    inside = pixels[valid].astype(float) / 255  # (pixels, C)
    expected = (inside - inside.mean(0)) * 1.1 + inside.mean(0)
    assert np.allclose(changed[0].movedim(0, -1).numpy()[valid], expected, atol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3])
def test_contrast_of_a_frame_that_is_all_valid_is_that_of_monai(factor):
    pixels, valid = frame(5)
    image, known = batch(pixels, np.ones_like(valid))
    changed, _ = apply(image, known, one(contrast=factor))
    expected = ScaleIntensityFixedMean(factor - 1, channel_wise=True)(image[0]).clamp(0, 1)
    assert torch.allclose(changed[0], torch.as_tensor(expected), atol=1e-5)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_those_of_monai(quarters):
    pixels, valid = frame(4)
    image, known = batch(pixels, valid)
    changed, kept = apply(image, known, one(angle=quarters * np.pi / 2))
    turn = Rotate90(quarters)
    assert torch.equal(kept[0], torch.as_tensor(turn(known[0])))
    assert torch.allclose(changed[0], torch.as_tensor(turn(image[0])), atol=1e-4)


@pytest.mark.parametrize(("across", "down"), [(0.0, 0.0), (1.0, -1.0)])
def test_jitter_is_the_enlarging_and_cutting_of_monai(across, down):
    image = torch.from_numpy(frame(3)[0]).movedim(-1, 0).float() / 255  # (3, S, S)
    most = 1 - 1 / 1.5
    draws = one(zoom=1.5)._replace(shift=np.array([[across * most], [down * most]]))
    changed, _ = apply(image[None], torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool), draws)
    large = Resize((72, 72), mode="bilinear", align_corners=False)(image)
    column, row = (round((72 - SIDE) / 2 * (1 + place)) for place in (across, down))
    expected = SpatialCrop(roi_start=(row, column), roi_end=(row + SIDE, column + SIDE))(large)
    inside = (slice(None), slice(1, -1), slice(1, -1))  # at its edge one repeats the last pixel, the other has nothing there
    assert torch.allclose(changed[0][inside], torch.as_tensor(expected)[inside], atol=1e-4)


def test_contrast_stays_between_zero_and_one():
    changed, _ = apply(*batch(*frame(6)), one(contrast=2.0))
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1


def test_invalid_pixels_never_leak_into_valid_ones():
    _, valid = frame(7)
    grey = np.where(valid[..., None], 128, 255).astype(np.uint8).repeat(3, -1)
    image, known = torch.from_numpy(grey).movedim(-1, 0)[None] / 255, torch.from_numpy(valid)[None, None]
    changed, kept = apply(image, known, one(True, 0.25, 0.93))
    assert (changed.movedim(1, -1)[kept[:, 0]] - 128 / 255).abs().max() < 1e-4


def test_pixels_from_outside_the_frame_are_invalid_and_zero():
    image, valid = batch(np.full((SIDE, SIDE, 3), 200, np.uint8), np.ones((SIDE, SIDE), bool))
    changed, kept = apply(image, valid, one(zoom=0.5))
    assert float(kept.float().mean()) == pytest.approx(0.25, abs=0.01)
    assert (changed.movedim(1, -1)[~kept[:, 0]] == 0).all()


def test_augmentation_keeps_the_share_of_valid_pixels_of_a_frame_with_holes():
    _, valid = frame(8)
    image, known = batch(np.full((SIDE, SIDE, 3), 90, np.uint8), valid)
    _, kept = apply(image, known, one(angle=0.2))
    _, whole = apply(image, torch.ones_like(known), one(angle=0.2))
    assert float(kept.sum() / whole.sum()) == pytest.approx(float(known.float().mean()), abs=0.06)


def test_a_grey_frame_of_one_channel_is_changed_too():
    pixels, valid = frame(9)
    grey, kept = apply_one(pixels[..., :1], valid, one(True, 0.1, 1.05, 0.95), 0)
    image, _ = apply(*batch(pixels[..., :1], valid), one(True, 0.1, 1.05, 0.95))
    assert abs(image[0].movedim(0, -1).numpy() * 255 - grey)[kept].max() <= 0.51


def test_a_frame_without_a_valid_pixel_stays_blank():
    pixels, valid = frame(10)
    changed, kept = apply(*batch(pixels, np.zeros_like(valid)), one(True, 0.1, 1.05, 0.95))
    assert not changed.any()
    assert not kept.any()


def test_the_inputs_are_left_alone():
    image, valid = batch(*frame(11))
    before = image.clone(), valid.clone()
    apply(image, valid, one(True, 0.1, 1.05, 0.95))
    assert torch.equal(image, before[0])
    assert torch.equal(valid, before[1])


def test_the_same_seed_gives_the_same_draws():
    first, second = (draw(AugmentSettings(), 9, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_turning_the_flip_off_leaves_the_other_draws_as_they_were():
    with_flip, without = (draw(AugmentSettings(flip=flip), 9, np.random.default_rng(3)) for flip in (True, False))
    assert np.array_equal(with_flip.angle, without.angle)
    assert not without.flip.any()


def test_draws_lie_in_their_ranges_and_reach_their_ends():
    draws = draw(AugmentSettings(), 5000, np.random.default_rng(0))
    assert np.degrees(abs(draws.angle).max()) == pytest.approx(18, abs=0.1)
    assert (draws.zoom.min(), draws.zoom.max()) == pytest.approx((0.9, 1.1), abs=1e-3)
    assert (draws.contrast.min(), draws.contrast.max()) == pytest.approx((0.9, 1.1), abs=1e-3)
    assert draws.flip.mean() == pytest.approx(0.5, abs=0.03)


def test_quarter_turns_are_as_often_as_each_other_and_move_whole_pixels():
    settings = AugmentSettings(flip=False, rotation=0, zoom=0, contrast=0, rotate90=True)
    draws = draw(settings, 400, np.random.default_rng(0))
    picture = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    changed, kept = apply(picture.expand(400, -1, -1, -1), torch.ones(400, 1, 12, 12, dtype=torch.bool), draws)
    assert settings.enabled and kept.all()
    for turns in range(4):  # torch turns anticlockwise from the first axis to the second, which is downwards
        same = (changed - picture.rot90(turns, (2, 3))).abs().amax((1, 2, 3)) < 1e-4
        assert 70 < int(same.sum()) < 130
    for k in range(4):
        pixels = (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()
        ours, _ = apply(
            torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255,
            torch.ones(1, 1, 12, 12, dtype=torch.bool),
            Draws(*(part[..., k : k + 1] for part in draws)),
        )
        theirs, _ = apply_one(pixels, np.ones((12, 12), dtype=bool), draws, k)
        assert np.abs((ours[0].permute(1, 2, 0).numpy() * 255).round() - theirs).max() <= 1


def test_jitter_cuts_an_enlarged_frame_out_at_a_place_that_is_all_inside():
    settings = AugmentSettings(flip=False, rotation=0, zoom=0, contrast=0, jitter=0.25)
    draws = draw(settings, 50, np.random.default_rng(0))
    image, valid = torch.ones(50, 1, 20, 20), torch.ones(50, 1, 20, 20, dtype=torch.bool)
    changed, kept = apply(image, valid, draws)
    assert kept.all() and (changed == 1).all()
    assert 0.15 < np.abs(draws.shift).max() <= 0.2 and (draws.zoom == 1.25).all()


def test_a_shift_to_the_right_shows_what_lies_further_right():
    ramp = torch.arange(20.0).expand(1, 1, 20, 20) / 20
    draws = Draws(*(np.array([value]) for value in (False, 0.0, 1.25, 1.0)), np.array([[0.2], [0.0]]))
    changed, _ = apply(ramp, torch.ones(1, 1, 20, 20, dtype=torch.bool), draws)
    seen = (3.9 + 0.8 * torch.arange(18)) / 20  # pixel 0 shows what lies at 10 * (1.2 - 0.95 / 1.25) - 0.5
    torch.testing.assert_close(changed[0, 0, 0, :18], seen, atol=1e-5, rtol=0)


def test_settings_of_zeros_draw_no_change():
    off = AugmentSettings(flip=False, rotation=0, zoom=0, contrast=0)
    draws = draw(off, 4, np.random.default_rng(0))
    assert not off.enabled
    assert not draws.flip.any() and not draws.angle.any()
    assert (draws.zoom == 1).all() and (draws.contrast == 1).all()


@pytest.mark.parametrize(
    "wrong", [{"rotation": -0.1}, {"rotation": 0.6}, {"zoom": 1.0}, {"contrast": 1.5}, {"turn": 0.1}, {"rotate90": 2}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        AugmentSettings.parse(wrong)
