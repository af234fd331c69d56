"""The driver, a provider and a fake on loopback together: what a user's command goes through, faults included."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from provider_cases import PROVIDERS
from test_fake_services import FAKES, NOW_NS, true_g_per_kwh

from lowtide.doors import Query
from lowtide.grid.driver import Http, converse
from lowtide.grid.http import HttpxTransport
from lowtide.grid.keys import KeyRing, variables_of
from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid import Service, serve


@pytest.mark.parametrize("name", FAKES)
def test_weeks_come_through_rate_limits_cuts_and_hang_ups(name: str) -> None:
    pytest.importorskip("httpx")
    make, secrets, zone = FAKES[name]
    keys = {variables_of(name, key)[0]: secrets[key.name] for key in PROVIDERS[name].keys}
    service = Service(make(now_ns=NOW_NS))
    service.order(["rate limit", "cut", "hang up"])
    query = Query(
        what="history",
        zone=zone,
        start_ns=parse_instant_ns("2026-05-01T00:00Z"),
        end_ns=parse_instant_ns("2026-06-12T00:00Z"),
        now_ns=NOW_NS,
    )
    with serve(service) as base_url:
        transport = HttpxTransport()
        http = Http(keys=KeyRing(keys, use_keyring=False), transport=transport, sleep=lambda _: None)
        with closing(transport):
            answer = converse(replace(PROVIDERS[name], base_url=base_url), query, http=http)
    expected = true_g_per_kwh(name, answer.intensity.edges_ns[:-1].tolist())
    assert np.allclose(answer.intensity.intensity_g_per_kwh, expected, rtol=1e-12)
