"""Frames that share anything are one group."""

from __future__ import annotations

import networkx  # torch depends on it
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medgen_cli.values import files_read
from PIL import Image

from medgen import api
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.groups import count_groups, find_groups, findings_of_few_groups, group_key, keyed_digest
from medgen.data.source_file import file_and_frame

relations = st.lists(
    st.lists(st.sampled_from(["patient:1", "patient:2", "folder:a", "folder:b", "file:x", "name:s"])), max_size=12
)


@given(relations, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_groups_are_the_connected_components(related: list[list[str]], drawn: list[tuple[int, int]]) -> None:
    count = len(related)
    alike = [pair for pair in drawn if max(pair) < count]
    graph = networkx.Graph((row, key) for row, keys in enumerate(related) for key in keys)
    graph.add_nodes_from(range(count))
    known = {node: number for number, part in enumerate(networkx.connected_components(graph)) for node in part}
    graph.add_edges_from((a, b) for a, b in alike if not related[a] or not related[b] or known[a] == known[b])
    groups = find_groups([""] * count, related, [f"{row:02}" for row in range(count)], alike)
    theirs = {frozenset(node for node in part if isinstance(node, int)) for part in networkx.connected_components(graph)}
    assert {frozenset(row for row in range(count) if groups[row] == group) for group in groups} == theirs - {frozenset()}


def test_alike_slices_of_two_files_are_two_groups_and_a_frame_of_unknown_origin_joins_one() -> None:
    groups = find_groups(["", "", ""], [["file:a"], ["file:b"], []], ["a#0", "b#0", "c"], [(0, 1), (1, 2)])
    assert groups == ["file:a", "file:b", "file:b"]


@pytest.mark.parametrize(
    ("name", "file", "frame"),
    [
        ("a.mp4#250", "a.mp4", 250),
        ("Case #7.png", "Case #7.png", None),
        ("Case #7/a.mp4#0", "Case #7/a.mp4", 0),
        ("#7", "#7", None),
        ("a#1234567890", "a#1234567890", None),
    ],
)
def test_only_a_number_at_the_end_is_that_of_a_frame(name: str, file: str, frame: int | None) -> None:
    assert file_and_frame(name) == (file, frame)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return a data set of three files of two frames whose names differ behind a number sign alone."""
    folder = tmp_path_factory.mktemp("cases")
    for case in range(3):
        frames = np.random.default_rng(case).integers(60, 200, (2, 40, 40, 3), dtype=np.uint8)
        first, second = map(Image.fromarray, frames)
        first.save(folder / f"Case #{case}.tif", save_all=True, append_images=[second])
    return api.prepare(folder, folder / "data", PrepareSettings(size=32))


def test_files_that_differ_behind_a_number_sign_are_groups_of_their_own(cases: Prepared) -> None:
    assert cases.index["group"].tolist() == [f"file:Case #{case}.tif" for case in (0, 0, 1, 1, 2, 2)]


def test_files_that_differ_behind_a_number_sign_are_counted_one_by_one(cases: Prepared) -> None:
    assert files_read(cases) == 3


def test_a_stated_group_wins_and_joins_nothing() -> None:
    groups = find_groups(["p1", "", ""], [["file:a"], ["file:a"], []], ["a#0", "a#1", "b"], [(0, 2)])
    assert groups == ["p1", "file:a", "auto:b"]


def test_a_group_is_called_after_the_strongest_relation() -> None:
    groups = find_groups(["", ""], [["file:a", "name:s"], ["name:s", "patient:9"]], ["a", "b"], [])
    assert groups == ["patient:9", "patient:9"]


def test_groups_are_counted_by_what_made_them() -> None:
    counts = count_groups(["p1", "file:a", "auto:b", "auto:c"], [True, False, False, False], [3, 20, 1, 1])
    assert counts.to_dict("list") == {"kind": ["stated", "file", "alone"], "groups": [1, 1, 2], "frames": [3, 20, 2]}


def test_a_patient_is_kept_as_a_digest_that_differs_between_data_sets() -> None:
    first, second = (keyed_digest(("patient", "1234"), group_key(files)) for files in (["a", "b"], ["a", "c"]))
    assert first.startswith("patient:") and "1234" not in first and first != second
    assert keyed_digest(("patient", "1234"), group_key(["b", "a"])) == first
    assert keyed_digest(("", ""), b"") == ""


def test_normal_findings_with_fewer_groups_than_splits_are_named() -> None:
    index = pd.DataFrame(
        {"label": "normal", "finding": [*"aabbb"], "group": [*"xyuvw"], "split": ["train", "val", *["train"] * 3]}
    )
    (sentence,) = findings_of_few_groups(index)
    assert sentence.startswith("'a' has 2 groups")
    assert findings_of_few_groups(index.assign(label="abnormal")) == []
