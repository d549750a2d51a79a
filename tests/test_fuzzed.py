"""Every reader of files is given damaged ones: they become frames (or rows), or a reason; `make soak` does so for an hour."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from fuzz_readers import Fuzzed, readers
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_files import seconds

from medgen.data.quiet import quiet
from medgen.errors import MedgenError

READERS = dict(readers())
TEXTS = ("manifest.csv", "recipe", "study", "index.csv", "rejected.csv", "prepare.toml")
TOKENS = [
    "", ",", ";", "\t", "\n", "\r", '"', '""', "'", "=", "[", "]", "[[", "{", "}", "#", "\\", "\0", "\ufeff", "\udc80", "../",
    "nan", "inf", "-1", "0", "1e999", str(2**63), "9" * 400, "0x10", "true", "train", "normal", "file", "mask", "1979-05-27",
]  # fmt: skip
PLACE = st.floats(0, 1, exclude_max=True)
BYTES = st.one_of(st.binary(max_size=8), st.sampled_from(TOKENS).map(lambda token: token.encode(errors="surrogateescape")))


@st.composite
def damage(draw: st.DrawFn, content: bytes, most: int) -> bytes:
    """Return the content with up to `most` places changed, filled, cut out, written twice, or cut off."""
    for _ in range(draw(st.integers(1, most))):
        start = int(draw(PLACE) * draw(st.sampled_from([1.0, 0.1])) * len(content))  # headers stand at the start
        length, new = draw(st.integers(0, 8)), draw(BYTES)
        kind = draw(st.sampled_from(["change", "change", "change", "fill", "cut", "twice", "end"]))
        taken = {"change": len(new), "fill": 0, "cut": length * 4, "twice": 0, "end": len(content)}[kind]
        put = {"change": new, "fill": new, "cut": b"", "twice": content[start : start + length * 4], "end": b""}[kind]
        content = content[:start] + put + content[start + taken :]
    return content


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Small valid files of each reader that was asked for, made once."""
    made: dict[str, list[bytes]] = {}
    return made


def seeds_of(name: str, known: dict[str, list[bytes]], folder: Path) -> list[bytes]:
    if name not in known:
        READERS[name].seeds(folder)
        known[name] = [path.read_bytes() for path in sorted(folder.iterdir())]
    return known[name]


def read(fuzzed: Fuzzed, path: Path, content: bytes) -> None:
    path.write_bytes(fuzzed.written(content))
    with seconds(60), quiet:
        try:
            assert fuzzed.read(path) >= 0
        except MedgenError as error:
            assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize("name", READERS)
@settings(settings.get_profile("files"))
@given(data=st.data())
def test_damaged_files_become_frames_or_a_reason(
    name: str, data: st.DataObject, seeds: dict[str, list[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"fuzzed-{zlib.crc32(name.encode())}"
    if name not in seeds:
        folder.mkdir()
        (folder / "seeds").mkdir()
        (folder / "read").mkdir()
    own = seeds_of(name, seeds, folder / "seeds")
    content = data.draw(damage(data.draw(st.sampled_from(own)), 6 if name in TEXTS else 4))
    read(READERS[name], folder / "read" / READERS[name].name, content)
