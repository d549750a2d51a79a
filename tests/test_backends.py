"""Every backend in the registry keeps the contract. A new backend needs no new test here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tiny import DEVICE, NARROW, narrow, tiny

from medgen import registry
from medgen.contract.capabilities import CAPABILITIES, Samples
from medgen.errors import BackendError
from medgen.nn.features import feature_maps
from medgen.testing import CHECKS, BackendCase

WIDE = {"every_weight_has_exactly_one_player", "an_unknown_setting_is_refused"}  # checked of backends as they come


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_backend_keeps_the_contract(check: Callable[[BackendCase], None], name: str) -> None:
    check(BackendCase(name, () if check.__name__ in WIDE else NARROW.get(name, ()), DEVICE))


def test_a_misspelt_backend_leads_to_the_right_one() -> None:
    with pytest.raises(BackendError, match="did you mean 'endovae'"):
        registry.load("endovea")


def test_a_missing_capability_names_the_backends_that_have_it() -> None:
    with pytest.raises(BackendError, match=r"cannot sample; these can: .*endovae"):
        registry.require(tiny("dfm"), Samples)


def test_an_error_names_exactly_the_backends_that_have_the_capability() -> None:
    models = {name: tiny(name) for name in registry.names()}
    for capability in CAPABILITIES:
        with pytest.raises(BackendError) as caught:
            registry.require(torch.nn.Linear(1, 1), capability)  # type: ignore[arg-type]
        able = [name for name, model in models.items() if isinstance(model, capability)]
        assert str(caught.value).endswith(f"these can: {', '.join(able)}")


@pytest.mark.parametrize("name", registry.names())
def test_a_backend_begins_alike_whether_or_not_its_extractor_was_used_before(name: str) -> None:
    for kept in (feature_maps._net, feature_maps._shapes):
        kept.cache_clear()
    first, later = narrow(name).state_dict(), narrow(name).state_dict()
    assert first.keys() == later.keys() and all(values.equal(later[key]) for key, values in first.items())
