"""Mutated replies end in a ProviderError or in what they say, judged by another reading: never in anything else."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import numpy as np
import pytest
from oracles import ORACLES
from provider_cases import PROVIDERS, cases_of

from lowtide.doors import Answer
from lowtide.errors import ProviderError
from lowtide.testing.provider_checks import Case, check_answer, replay
from lowtide.testing.provider_mutations import fuzzed

N_MUTATIONS = 10_000 if os.environ.get("LOWTIDE_TEST_FULL") == "1" else 500


def judge(name: str, case: Case, answer: Answer, body: bytes) -> None:
    """Check an accepted answer against what the mutated body says."""
    check_answer(PROVIDERS[name], case.query, answer)
    claims, places = ORACLES[name](body, case.query.factors)
    if name == "gb" and places == {"GB"} and case.query.zone != "GB":
        pytest.fail("a region was asked for, the reply does not say one")
    assert places <= {case.place, case.query.zone}, f"the reply is for {places}"
    for series in (answer.intensity, *(part for _, part in answer.past)):
        for start, g in zip(series.edges_ns[:-1].tolist(), series.intensity_g_per_kwh, strict=True):
            if not np.isnan(g):
                said = claims.get(start, [])
                assert any(abs(g - c) <= 1e-6 + 1e-9 * abs(c) for c in said), f"{g} at {start}, said {said}"


def check_message(name: str, error: ProviderError) -> None:
    """Check that a refusal names the provider and stays one short line."""
    assert error.provider == name
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("name", PROVIDERS)
def test_mutated_replies_never_become_another_series(name: str) -> None:
    cases = list(cases_of(name).values())
    n_refused, provider = 0, PROVIDERS[name]
    for i in range(N_MUTATIONS):
        rng = Random(f"{name} {i}")
        case = rng.choice(cases)
        last = len(case.exchanges) - 1
        body = fuzzed(case.exchanges[last].response.body, rng)
        try:
            answer: Any = replay(provider, case, {last: body})
        except ProviderError as error:
            check_message(name, error)
            n_refused += 1
            continue
        try:
            judge(name, case, answer, body)
        except Exception as error:
            raise AssertionError(f"mutation {i} of {name}, {case.query.what}: {error!r}\n{body!r}") from error
    assert 0.2 * N_MUTATIONS < n_refused < N_MUTATIONS, (
        "mutations neither all refused nor nearly all harmless"
    )


def test_logins_gone_wrong_are_refused_or_harmless() -> None:
    case = cases_of("watttime")["history"]
    good = replay(PROVIDERS["watttime"], case, {})
    for i in range(N_MUTATIONS // 10):
        body = fuzzed(case.exchanges[0].response.body, Random(i))
        try:
            answer = replay(PROVIDERS["watttime"], case, {0: body})
        except ProviderError:
            continue
        assert np.array_equal(
            answer.intensity.intensity_g_per_kwh, good.intensity.intensity_g_per_kwh, equal_nan=True
        )
