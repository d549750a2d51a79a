"""Files that lie elsewhere: listed by a folder, a pattern or a table, fetched as they are, and one line on each mistake."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from medgen.errors import ConfigError, DataError, MedgenError
from medgen.verbs.spread import sources
from medgen.verbs.spread.sources import at_hand, is_elsewhere, list_archive

FRAMES = {"normal/a2.png": b"2", "normal/a10.png": b"10", "polyp/b.png": b"b", "polyp/notes.txt": b"n", ".hidden/c.png": b"c"}
IMAGES = ["normal/a2.png", "normal/a10.png", "polyp/b.png"]


@pytest.fixture
def archive() -> Iterator[str]:
    """A folder of files in memory, which fsspec calls a file system."""
    system = fsspec.filesystem("memory")
    for name, content in FRAMES.items():
        system.pipe(f"/archive/{name}", content)
    yield "memory://archive"
    system.rm("/archive", recursive=True)


def names(source: str) -> list[str]:
    return sorted(entry.file for entry in list_archive(source).listing.entries)


def test_a_folder_elsewhere_is_listed_with_the_findings_of_its_folders(archive: str) -> None:
    found = {entry.file: (entry.finding, entry.label) for entry in list_archive(archive).listing.entries}
    assert found == {
        "normal/a2.png": ("normal", "normal"),
        "normal/a10.png": ("normal", "normal"),
        "polyp/b.png": ("polyp", "abnormal"),
    }


def test_what_is_no_image_is_named_with_a_reason(archive: str) -> None:
    assert list_archive(archive).unread.to_numpy().tolist() == [["polyp/notes.txt", "no image (.txt)", "ignored"]]


def test_a_pattern_takes_what_it_matches(archive: str) -> None:
    assert names(f"{archive}/**/a*.png") == ["normal/a10.png", "normal/a2.png"]


def test_a_pattern_on_a_disk_names_files_from_its_first_folder_on(tmp_path: Path) -> None:
    for name in ("x/a.png", "x/y/b.png", "x/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = list_archive(f"{tmp_path}/x/**/*.png")
    assert [(entry.file, entry.path) for entry in found.listing.entries] == [
        ("a.png", tmp_path / "x/a.png"),
        ("y/b.png", tmp_path / "x/y/b.png"),
    ]


def test_a_table_says_what_a_manifest_says(archive: str) -> None:
    fsspec.filesystem("memory").pipe("/archive/some.csv", b"file;group;label\npolyp/b.png;p1;normal\nnormal/a2.png;p2;\n")
    found = {entry.file: (entry.group, entry.label) for entry in list_archive(f"{archive}/some.csv").listing.entries}
    assert found == {"polyp/b.png": ("p1", "normal"), "normal/a2.png": ("p2", "")}


def test_a_manifest_in_a_folder_is_the_list(archive: str) -> None:
    fsspec.filesystem("memory").pipe("/archive/manifest.csv", b"file\npolyp/b.png\n")
    assert names(archive) == ["polyp/b.png"]


def test_a_table_of_whole_paths_and_addresses_needs_one_place(archive: str) -> None:
    fsspec.filesystem("memory").pipe("/archive/some.csv", b"file\nmemory://archive/polyp/b.png\n/data/a.png\n")
    with pytest.raises(DataError, match="line 2 has an address memory://, line 3 a whole path; a table names files of one place"):
        list_archive(f"{archive}/some.csv")


@pytest.mark.skipif(not find_spec("pyarrow"), reason="medgen[parquet] is not installed")
def test_parquet_may_hold_whole_addresses(archive: str, tmp_path: Path) -> None:
    files = [f"{archive}/{name}" for name in IMAGES]
    pd.DataFrame({"file": files, "age": [1, 2, 3]}).to_parquet(tmp_path / "table.parquet")
    found = list_archive(str(tmp_path / "table.parquet"))
    assert found.root == "memory://" and [entry.file for entry in found.listing.entries] == [f"archive/{name}" for name in IMAGES]
    (tmp_path / "files").mkdir()
    with at_hand(found.listing.entries, found.root, tmp_path / "files") as here:
        assert [entry.path.read_bytes() for entry in here] == [FRAMES[name] for name in IMAGES]


def test_files_are_fetched_as_they_are_and_go_again(archive: str, tmp_path: Path) -> None:
    found = list_archive(archive)
    with at_hand(found.listing.entries, found.root, tmp_path) as here:
        assert {entry.file: entry.path.read_bytes() for entry in here} == {name: FRAMES[name] for name in IMAGES}
    assert not [*tmp_path.iterdir()]


def test_a_file_that_has_gone_since_stays_away(archive: str, tmp_path: Path) -> None:
    found = list_archive(archive)
    fsspec.filesystem("memory").rm("/archive/polyp/b.png")
    with at_hand(found.listing.entries, found.root, tmp_path) as here:
        assert [entry.file for entry in here if not entry.path.exists()] == ["polyp/b.png"]


def test_storage_that_does_not_answer_rejects_no_file(archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list_archive(archive)

    def refuse(*_: object) -> None:
        raise PermissionError("the key has expired")

    monkeypatch.setattr(fsspec.filesystem("memory"), "get_file", refuse)
    with (
        pytest.raises(MedgenError, match="cannot read 'memory:///archive': the key has expired"),
        at_hand(found.listing.entries, found.root, tmp_path),
    ):
        pass


def test_a_file_that_changed_has_another_state(archive: str) -> None:
    before = list_archive(archive).states
    fsspec.filesystem("memory").pipe("/archive/polyp/b.png", b"other")
    after = list_archive(archive).states
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]


def test_what_has_to_be_installed_for_an_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(source: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(sources, "file_system", missing)
    with pytest.raises(ConfigError, match=r"pip install 'medgen\[s3\]'"):
        list_archive("s3://bucket/frames")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s4://bucket/frames", "nothing reads 's4://'"),
        ("memory://nowhere", "there is no image at 'memory://nowhere', but nothing at all"),
        ("nowhere", "there is no file or folder 'nowhere'"),
    ],
)
def test_a_source_that_is_none_is_named(source: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list_archive(source)


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    assert not is_elsewhere(str(tmp_path / "a[1]")) and is_elsewhere(str(tmp_path / "b[1]"))
