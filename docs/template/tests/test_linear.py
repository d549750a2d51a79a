"""The backend keeps medgen's contract."""

from collections.abc import Callable

import pytest

from medgen.testing import CHECKS, BackendCase


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_linear_keeps_the_contract(check: Callable[[BackendCase], None]) -> None:
    check(BackendCase("linear", ["model.latents=4"]))
