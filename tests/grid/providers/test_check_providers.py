"""Every provider keeps the promises of its door on saved exchanges, and on the same ones gone wrong."""

from __future__ import annotations

import pytest
from provider_cases import PROVIDERS, cases_of

from lowtide.testing.provider_checks import check_provider


@pytest.mark.parametrize("name", PROVIDERS)
def test_provider_keeps_its_promises(name: str) -> None:
    check_provider(PROVIDERS[name], list(cases_of(name).values()))


@pytest.mark.parametrize("name", PROVIDERS)
def test_all_that_is_offered_was_saved(name: str) -> None:
    assert {case.query.what for case in cases_of(name).values()} == PROVIDERS[name].offers
