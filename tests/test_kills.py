"""Each verb, killed at some places and called again, leaves what it would have left; `make soak` tries every place."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from killed_verbs import killed_verbs, warm_up
from kills import Verb, walk

PLACES = {"prepare": 3, "prepare --overwrite": 2, "train": 3, "score": 2, "maps": 2, "report --input": 2, "sample": 2}


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Verb]:
    root = tmp_path_factory.mktemp("killed")
    made = killed_verbs(root / "world")
    warm_up(made, root / "warm")
    return made


@pytest.mark.parametrize("name", PLACES)
def test_the_same_command_goes_on_after_a_kill(verbs: Mapping[str, Verb], name: str, tmp_path: Path) -> None:
    found = walk(verbs[name], tmp_path, PLACES[name])
    assert len(found) == PLACES[name] and not [killed for killed in found if killed.wrong]


def test_the_same_command_goes_on_after_sigterm_between_any_two_writes(verbs: Mapping[str, Verb], tmp_path: Path) -> None:
    found = [*walk(verbs["medgen train"], tmp_path, 2, signal.SIGTERM), *walk(verbs["score"], tmp_path, 2, signal.SIGTERM)]
    assert len(found) == 4 and not [killed for killed in found if killed.wrong]
