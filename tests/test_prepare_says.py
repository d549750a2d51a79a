"""What preparing and inspecting say of a source that a study cannot be made of yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import fail, succeed
from sources import folder
from trees import text, tree

from medgen.data.prepared import open_prepared


def test_files_that_nobody_asked_for_are_not_counted_among_those_that_cannot_be_read(tmp_path: Path) -> None:
    text(tree(tmp_path / "frames", "other.txt"), "manifest.csv", "file,label\nno.png,normal\n")
    assert "none of 1 files could be read; the first: no.png: " in fail("prepare", tmp_path / "frames", "--out", tmp_path / "x")


def test_an_inspection_without_a_readable_file_prints_no_empty_table(tmp_path: Path) -> None:
    told = succeed("inspect", tree(tmp_path / "frames", "a.png"))
    assert "Empty" not in told and "0 read, 1 rejected" in told


def test_a_set_without_validation_frames_is_warned_of(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "patient1/normal")
    told = succeed("prepare", tmp_path / "frames", "--out", tmp_path / "x", "--size", "16")
    assert "warning: no validation frames, so that no threshold can be found" in told


def test_a_set_of_findings_alone_is_asked_for_normal_frames(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "polyps")
    told = succeed("prepare", tmp_path / "frames", "--out", tmp_path / "x", "--size", "16")
    assert "warning: no normal training frames; put frames without a finding into a folder that is called normal" in told


def test_with_all_test_every_frame_is_a_test_frame_whatever_the_source_says(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "train/normal", "train/polyps", "test/normal")
    told = succeed("prepare", tmp_path / "frames", "--out", tmp_path / "x", "--size", "16", "--all-test")
    assert open_prepared(tmp_path / "x").index["split"].tolist() == ["test"] * 12
    assert "no normal training frames" not in told and "three splits" not in told


@pytest.mark.parametrize("share", ["--val-share", "--test-share"])
def test_shares_of_a_set_of_test_frames_alone_are_refused(share: str, tmp_path: Path) -> None:
    answer = fail("prepare", tmp_path, "--out", tmp_path / "x", "--all-test", share, "0.2")
    assert "with --all-test every frame is a test frame" in answer
