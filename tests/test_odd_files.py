"""Odd names and odd files: none stops a run, none is waited for, and each that cannot be used is listed with its reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from commands import succeed
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_files import NAMES, NO_FILES, PLAIN, samples_in, seconds, write_damaged, write_odd
from untrained import make_run

from medgen.data.images import count_frames, is_image, read_images
from medgen.data.prepared import Prepared, PrepareSettings, open_prepared
from medgen.data.preparing.prepare import prepare
from medgen.errors import DataError, ImageError


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("samples")
    return samples_in(root)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames with odd names, and what only looks like frames."""
    root = tmp_path_factory.mktemp("odd")
    write_odd(root / "F" / "normal")
    with seconds(60):
        prepare(root / "F", root / "D", PrepareSettings(size=32, overlay="none"))
        make_run(str(root / "D"), root / "R")
    return root


@pytest.fixture(scope="module")
def data(odd: Path) -> Prepared:
    return open_prepared(odd / "D")


def test_every_frame_with_an_odd_name_is_prepared(data: Prepared) -> None:
    assert len(data.index) == PLAIN + len(NAMES) and "normal/caf\\xe9.png" in set(data.index["path"])


def test_pipes_sockets_devices_and_links_to_nothing_are_listed(data: Prepared) -> None:
    ignored = data.ignored().set_index("file")["reason"]
    expected = {f"normal/{name}" for name in NO_FILES}
    assert {name for name, reason in ignored.items() if reason.startswith("a pipe, a socket or a device")} == expected
    assert data.rejected()["file"].tolist() == ["normal/broken.png"]


def test_a_pipe_is_no_image_and_is_not_waited_for(odd: Path) -> None:
    with seconds(5):
        assert not is_image(odd / "F" / "normal" / "pipe")
        for name in ("pipe.png", "zero.png"):
            with pytest.raises(ImageError, match="is a pipe, a socket or a device"):
                count_frames(odd / "F" / "normal" / name)


def test_all_verbs_take_frames_with_odd_names(odd: Path) -> None:
    source = odd / "F"
    with seconds(120):
        succeed("score", odd / "R", source, "--out", odd / "S")
        succeed("maps", odd / "R", source, "--out", odd / "M")
        succeed("report", odd / "R", "--input", source, "--out", odd / "P")
    count = PLAIN + len(NAMES)
    assert len(pd.read_csv(odd / "P" / "ranks.csv")) == count
    for folder in (odd / "S" / "maps", odd / "M" / "original", odd / "M" / "overlays"):
        assert sum(path.suffix == ".png" for path in folder.rglob("*")) == count


def test_damaged_files_of_all_formats_are_read_or_rejected_with_a_reason(samples: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "F" / "normal"
    write_damaged(folder, samples)
    count = len([*folder.iterdir()])
    assert count >= 120
    with seconds(120):
        data = prepare(tmp_path / "F", tmp_path / "D", PrepareSettings(size=32, overlay="none"))
    used = set(data.index["path"].str.replace(r"#\d+$", "", regex=True))
    rejected = data.rejected()
    assert used | set(rejected["file"]) == {f"normal/{path.name}" for path in folder.iterdir()} and "normal/good.png" in used
    assert rejected["reason"].str.len().min() > 5 and not rejected["reason"].str.contains("Traceback|/tmp").any()
    assert {f"normal/{name}{suffix}" for name in ("empty", "one-byte", "zeros", "ones") for suffix in samples} <= set(
        rejected["file"]
    )


def test_a_metaimage_that_names_its_pixels_as_no_file_is_called_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    header = b"ObjectType = Image\nNDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = a\tb.raw\n"
    path.write_bytes(header)
    with pytest.raises(ImageError, match="as no file is called"):
        count_frames(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("index.csv", b"a,b\n1,2\n"), ("prepare.toml", b"x = 1\n"), ("frames.npy", b""), ("frames.npy", b"\x93NUMPY\1\0\2\0({")],
)
def test_a_data_set_with_a_damaged_file_is_refused_with_a_reason(odd: Path, tmp_path: Path, name: str, content: bytes) -> None:
    shutil.copytree(odd / "D", tmp_path / "D")
    (tmp_path / "D" / name).write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        open_prepared(tmp_path / "D")


@pytest.mark.parametrize("content", [b"", b"a\n1\n", b"\x91\n", b'"'])
def test_a_damaged_table_of_files_that_were_left_out_is_answered_with_a_reason(odd: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(odd / "D", tmp_path / "D")
    data = open_prepared(tmp_path / "D")
    (tmp_path / "D" / "rejected.csv").write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        data.rejected()


@settings(settings.get_profile("files"))
@given(data=st.data())
def test_changed_bytes_lead_to_frames_or_to_a_reason(
    data: st.DataObject, samples: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    suffix = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(samples[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content), 1000) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    path.write_bytes(content)
    with seconds(30):
        try:
            for image in read_images(path):
                assert image.pixels.ndim == 3
        except ImageError as error:
            assert str(error)


def test_what_a_damaged_file_says_of_itself_is_quoted_in_one_line_of_letters() -> None:
    said = str(ImageError("is of the kind '1.2\x00\n\u2028\x1b[31m" + 900 * "x" + "'"))
    assert said.startswith("is of the kind '1.2\ufffd \ufffd[31mxxx") and said.isprintable() and len(said) < 700
