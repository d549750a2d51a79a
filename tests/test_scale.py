"""What is published of how far one machine goes is what the files beside it say."""

from __future__ import annotations

import pytest
from benchmarks import scale_page
from benchmarks.scale_page import REPORTS, breaking, filled, measured, pairs_seconds, size, took

PAGE = REPORTS / "scale"


def test_the_tables_are_those_of_the_numbers_beside_them() -> None:
    text = (PAGE / "README.md").read_text(encoding="utf-8")
    assert filled(text, measured(PAGE)) == text


def test_near_duplicates_take_the_measured_time_where_it_was_measured() -> None:
    found = measured(PAGE)
    known = found["duplicates"][0]
    assert pairs_seconds(found, known["frames"]) == pytest.approx(known["pairs_seconds"] + known["across_splits_seconds"])


def test_what_gives_way_first_stands_first() -> None:
    counts = [int(row.split("|")[2].replace(",", "")) for row in breaking(measured(PAGE)).splitlines()[2:]]
    assert counts == sorted(counts) and len(counts) == 6


def test_times_and_sizes_are_told_in_the_unit_that_is_read_at_a_glance() -> None:
    assert [took(seconds) for seconds in (59, 7200, 200_000, 9e7)] == ["59 s", "2 h", "2 days", "3 years"]
    assert [size(count) for count in (5e6, 1.5e9, 2e12)] == ["5 MB", "1.5 GB", "2 TB"]
    assert scale_page.COUNTS == (10**5, 10**6, 10**8)
