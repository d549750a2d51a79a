"""From a video to scores against time, as a user goes; which frames of a video are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from commands import SMALL_VAE, fail, succeed
from mask_files import DISC, entry, marks
from numpy.typing import NDArray
from sample_video import RATE, write_video

from medgen import api
from medgen.data.field.sharpness import sharpness
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.data.preparing.crop_file import Cropped
from medgen.data.preparing.video_frames import without_alike, without_blurred
from medgen.data.source_file import MaskFile
from medgen.errors import DataError
from medgen.report.timeline import clock, standing_out
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.types import Box
from medgen.verbs.timelines import write_timelines

LENGTH, BLURRED, STILL, ODD = 12, 4, range(7, 10), 5  # seconds; and what is special at which of them


def scene(second: int) -> NDArray[np.uint8]:
    """What a made endoscope sees in one second: another place each, but for the still ones; one is odd, one blurred."""
    place = STILL[0] if second in STILL else second
    draw = np.random.default_rng(place)
    coarse = PIL.Image.fromarray(draw.integers(90, 200, (12, 12, 3), dtype=np.uint8)).resize(
        (96, 96), PIL.Image.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse).astype(np.int64) + np.random.default_rng(1).integers(-25, 26, (96, 96, 1))
    if second == ODD:
        pixels = pixels + 70 * (np.indices((96, 96)).sum(0) // 8 % 2 * 2 - 1)[..., None]  # chequered
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    if second == BLURRED:
        pixels = np.asarray(coarse)
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of normal tissue and one to be scored; a run that was trained on the former."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "source" / "normal").mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        frames = [scene(100 * ord(name) + second) for second in range(LENGTH) for _ in range(RATE)]
        write_video(folder / "source" / "normal" / f"{name}.mp4", frames, options={"crf": "4"})
    new = [scene(second) for second in range(LENGTH) for _ in range(RATE)]
    write_video(folder / "new.mp4", new, options={"crf": "4"})
    succeed("prepare", folder / "source", "--out", folder / "data", "--size", 32)
    succeed("train", "vae", folder / "data", "--out", folder / "run", *SMALL_VAE)
    succeed("threshold", folder / "run", "--false-alarm-rate", 0.2)
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    return succeed("score", folder / "run", folder / "new.mp4", "--out", folder / "scores")


def test_a_frame_a_second_is_prepared(folder: Path) -> None:
    index = open_prepared(folder / "data").index
    assert index["seconds"].groupby(index["path"].str[:12]).apply(list).tolist() == [list(map(float, range(LENGTH)))] * 4


def test_a_path_says_which_frame_of_the_video_it_is(folder: Path) -> None:
    assert open_prepared(folder / "data").index["path"][1] == f"normal/a.mp4#{RATE}"


def test_a_video_stays_in_one_split(folder: Path) -> None:
    index = open_prepared(folder / "data").index
    assert index.groupby(index["path"].str[:12])["split"].nunique().tolist() == [1] * 4


def test_other_frames_are_chosen_by_an_option_and_that_is_recorded(folder: Path) -> None:
    succeed("prepare", folder / "new.mp4", "--out", folder / "every", "--size", 32, "--video", "frames:5", "--video-alike", 0)
    data = open_prepared(folder / "every")
    assert data.settings.video == "frames:5" and data.settings.video_alike == 0
    assert data.index["path"].tolist()[:2] == ["new.mp4#0", "new.mp4#5"]


def test_blurred_frames_and_those_like_the_one_before_are_left_out_with_the_reason(folder: Path) -> None:
    text = succeed("prepare", folder / "new.mp4", "--out", folder / "new", "--size", 32)
    rejected = pd.read_csv(folder / "new" / "rejected.csv").set_index("file")
    assert rejected["kind"].to_dict() == {
        f"new.mp4#{BLURRED * RATE}": "blurred", **{f"new.mp4#{second * RATE}": "alike" for second in STILL[1:]}
    }  # fmt: skip
    assert f"like new.mp4#{STILL[0] * RATE}: they differ by 0" in rejected["reason"][f"new.mp4#{STILL[1] * RATE}"]
    assert "frames of videos left out: 1 blurred, 2 like the one before" in text


def test_a_broken_end_keeps_the_good_frames_and_is_listed(folder: Path) -> None:
    frames = [scene(second) for second in range(LENGTH) for _ in range(RATE)]
    write_video(folder / "broken.mkv", frames, options={"crf": "4"})
    content = (folder / "broken.mkv").read_bytes()
    (folder / "broken.mkv").write_bytes(content[: len(content) // 2])
    text = succeed("prepare", folder / "broken.mkv", "--out", folder / "broken", "--size", 32)
    data = open_prepared(folder / "broken")
    assert 3 <= len(data.index) <= 7 and data.index["path"][0] == "broken.mkv#0"
    assert "truncated: the header says 12.00 seconds" in data.rejected()["reason"][0] and "1 rejected" in text


def test_a_broken_end_is_refused_in_a_list_and_the_line_says_how_its_good_frames_are_had(folder: Path, tmp_path: Path) -> None:
    path, loaded = tmp_path / "cut.mkv", api.load(folder / "run")
    write_video(path, [scene(second) for second in range(3) for _ in range(RATE)], options={"crf": "4"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        DataError, match=r"1 of 1 files cannot be read to the end, .* are there; leave it out, or give the path alone"
    ):
        loaded.score([path])
    with pytest.warns(UserWarning, match=r"1 file .* not all could be read.* what could be read is taken"):
        assert loaded.score(path).table["path"].tolist()[0] == "cut.mkv#0"


def test_each_second_is_scored(folder: Path, printed: str) -> None:
    table = pd.read_csv(folder / "scores" / "timeline.csv")
    assert table["seconds"].tolist() == [second for second in range(LENGTH) if second != BLURRED]
    assert (table["frame"] == RATE * table["seconds"]).all() and set(table["video"]) == {"new.mp4"}


def test_the_scores_against_time_are_those_of_the_table(folder: Path, printed: str) -> None:
    scores, table = (pd.read_csv(folder / "scores" / name) for name in ("scores.csv", "timeline.csv"))
    pd.testing.assert_series_equal(scores["score"], table["score"])
    pd.testing.assert_series_equal(scores["seconds"], table["seconds"])


def test_the_frame_that_stands_out_is_named_with_its_time(folder: Path, printed: str) -> None:
    table = pd.read_csv(folder / "scores" / "timeline.csv")
    assert table["seconds"][table["score"].idxmax()] == ODD and table["stands_out"][table["score"].idxmax()] == 1
    assert f"0:{ODD:02d}" in printed and "above the threshold; standing out at" in printed


def test_a_figure_of_each_video_is_written(folder: Path, printed: str) -> None:
    with PIL.Image.open(folder / "scores" / "timelines" / "new.mp4.png") as picture:
        assert picture.format == "PNG" and picture.width > 1000


def test_other_moments_are_scored_by_an_option(folder: Path) -> None:
    succeed("score", folder / "run", folder / "new.mp4", "--out", folder / "fine", "--video", "seconds:0.2", "--no-pictures")
    assert len(pd.read_csv(folder / "fine" / "timeline.csv")) == 5 * (LENGTH - 1)


def test_a_rule_that_is_none_is_answered_in_one_line(folder: Path) -> None:
    assert "there is no rule 'every'" in fail(
        "score", folder / "run", folder / "new.mp4", "--out", folder / "x", "--video", "every:2"
    )


def test_frames_that_are_no_video_have_no_times(folder: Path) -> None:
    PIL.Image.fromarray(scene(0)).save(folder / "still.png")
    succeed("score", folder / "run", folder / "still.png", "--out", folder / "still", "--no-pictures")
    assert not (folder / "still" / "timeline.csv").exists() and "seconds" not in pd.read_csv(folder / "still" / "scores.csv")


def cropped(pixels: NDArray[np.uint8], number: int = 0) -> Cropped:
    flags = np.ones(pixels.shape[:2], bool)
    row = {
        "path": f"a.mp4#{number}",
        "sharpness": sharpness(pixels, Box(0, 0, pixels.shape[1], pixels.shape[0])),
        "seconds": number,
    }
    return Cropped(row, pixels, flags, ~flags)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 1), dtype=np.uint8)
    grey = np.pad(pixels[..., 0].astype(np.float64), 1, mode="reflect")
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    assert sharpness(pixels, Box(0, 0, 256, 256)) == pytest.approx(laplacian.var())


def test_frames_of_one_colour_are_not_called_blurred() -> None:
    frames = [cropped(np.full((32, 32, 3), level, np.uint8)) for level in (10, 20, 30)]
    assert without_blurred(frames, 0.125) == (frames, [])


def test_a_video_that_is_mostly_blurred_keeps_what_is_sharp() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    smooth = np.full((64, 64, 3), 128, np.uint8)
    kept, left_out = without_blurred([cropped(smooth, k) for k in range(6)] + [cropped(sharp, 6 + k) for k in range(3)], 0.125)
    assert [frame.row["path"] for frame in kept] == ["a.mp4#6", "a.mp4#7", "a.mp4#8"] and len(left_out) == 6


def test_a_frame_is_compared_with_the_one_that_was_kept() -> None:
    frames = [cropped(np.full((32, 32, 3), level, np.uint8), level) for level in range(10)]  # each differs by one grey level
    kept, _ = without_alike(frames, 2.5)
    assert [frame.row["path"] for frame in kept] == ["a.mp4#0", "a.mp4#3", "a.mp4#6", "a.mp4#9"]


def test_without_a_threshold_of_difference_all_frames_are_kept() -> None:
    frames = [cropped(np.zeros((32, 32, 3), np.uint8), k) for k in range(3)]
    assert without_alike(frames, 0) == (frames, [])


def test_frames_that_stand_out_are_above_the_threshold_and_apart() -> None:
    seconds, score = np.arange(100.0), np.zeros(100)
    score[[10, 11, 50, 90]] = [5, 4, 3, 1]
    assert standing_out(seconds, score, 2) == [10, 50]


def test_a_frame_without_a_score_does_not_stand_out() -> None:
    assert standing_out(np.arange(3.0), np.array([np.nan, 1, 2]), None, most=3) == [1, 2]


def test_pictures_of_a_set_that_holds_videos_too_have_no_timeline(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a.png"], "seconds": [np.nan], "score": [0.5]})
    scored = cast(ScoreTable, SimpleNamespace(table=table))
    assert write_timelines(cast(Run, None), scored, tmp_path) is None and not [*tmp_path.iterdir()]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (62.5, "1:02.5"), (59.96, "1:00"), (3723, "1:02:03")])
def test_times_are_written_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_rule_of_a_video_is_checked_with_the_settings() -> None:
    with pytest.raises(ValueError, match="no rule 'sometimes'"):
        PrepareSettings(video="sometimes")


@pytest.mark.parametrize(
    ("codec", "form", "options", "level"), [("libx264", "yuv420p", {"crf": "40"}, 255), ("ffv1", "gray", {}, 1)]
)
def test_what_a_codec_keeps_of_a_finding_marks_nothing_and_a_label_marks(
    codec: str, form: str, options: dict[str, str], level: int, tmp_path: Path
) -> None:
    seen = [True] * 4 + [False] * 8
    frames = np.array([DISC * level if there else 0 * DISC for there in seen], np.uint8)[..., None].repeat(3, axis=3)
    write_video(tmp_path / "masks.mkv", frames, codec, form, options)
    write_video(tmp_path / "a.mkv", frames)
    assert [found.mask.any() for found in marks(entry(tmp_path / "a.mkv", MaskFile(tmp_path / "masks.mkv")))] == seen
