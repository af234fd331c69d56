"""What is asked for again, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from loopback import FakeTransport, HourlyProvider, hourly_answer, http_of, query_of, reply

from lowtide.errors import ReplyError, UnreachableError
from lowtide.grid.cache import Cache
from lowtide.grid.fetching import due_windows, fetch, keep_answer, kept_values
from lowtide.testing.builders import intensity_series

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
NOW_NS = 1000 * DAY_NS
HOURLY = HourlyProvider()


@pytest.fixture
def cache():
    opened = Cache(":memory:")
    yield opened
    opened.close()


def known(cache, values, *, start_ns, fetched_ns, status="measured"):
    """Put hours into the cache and return what is kept of them."""
    series = intensity_series(values, zone="DE", start_ns=start_ns, status=status)
    series = replace(series, signal=replace(series.signal, flow="consumption"))
    key = cache.put("hourly", series, fetched_ns=fetched_ns)
    return cache.get(key, (start_ns, start_ns + len(values) * HOUR_NS))


def due(kept, window, *, asked=(), now_ns=NOW_NS):
    return due_windows(kept, window, asked=asked, now_ns=now_ns)


def test_nothing_known_is_asked_for_at_once():
    assert due(None, (0, DAY_NS)) == [(0, DAY_NS)]


def test_settled_values_are_never_asked_for_again(cache):
    start_ns = NOW_NS - 100 * DAY_NS
    kept = known(cache, [1.0, 2.0], start_ns=start_ns, fetched_ns=start_ns + 90 * DAY_NS)
    assert due(kept, (start_ns, start_ns + 2 * HOUR_NS)) == []


@pytest.mark.parametrize(("hours_ago", "again"), [(5, False), (6, True)])
def test_estimates_are_asked_for_again_after_six_hours(cache, hours_ago, again):
    start_ns = NOW_NS - 10 * HOUR_NS
    kept = known(cache, [1.0], start_ns=start_ns, fetched_ns=NOW_NS - hours_ago * HOUR_NS, status="estimated")
    window = (start_ns, start_ns + HOUR_NS)
    assert due(kept, window) == ([window] if again else [])


def test_estimates_that_stayed_estimates_for_a_month_are_let_be(cache):
    start_ns = NOW_NS - 60 * DAY_NS
    kept = known(cache, [1.0], start_ns=start_ns, fetched_ns=start_ns + 31 * DAY_NS, status="estimated")
    assert due(kept, (start_ns, start_ns + HOUR_NS)) == []


def test_measured_values_are_looked_at_once_a_day_for_three_days(cache):
    start_ns = NOW_NS - 2 * DAY_NS
    window = (start_ns, start_ns + HOUR_NS)
    young = known(cache, [1.0], start_ns=start_ns, fetched_ns=NOW_NS - DAY_NS)
    assert due(young, window) == [window]
    just = known(cache, [1.0], start_ns=start_ns, fetched_ns=NOW_NS - DAY_NS + 1)
    assert due(just, window) == []


def test_holes_near_each_other_are_one_question_and_far_ones_are_two(cache):
    values = np.full(240, 5.0)
    values[[10, 20, 200]] = np.nan
    start_ns = NOW_NS - 100 * DAY_NS
    kept = known(cache, values, start_ns=start_ns, fetched_ns=NOW_NS)
    assert due(kept, (start_ns, start_ns + 240 * HOUR_NS)) == [
        (start_ns + 10 * HOUR_NS, start_ns + 21 * HOUR_NS),
        (start_ns + 200 * HOUR_NS, start_ns + 201 * HOUR_NS),
    ]


@pytest.mark.parametrize(
    ("age_ns", "asked_ago_ns", "again"),
    [
        (HOUR_NS, 4 * 60 * 10**9, False),
        (HOUR_NS, 6 * 60 * 10**9, True),
        (5 * DAY_NS, HOUR_NS // 2, False),
        (5 * DAY_NS, 2 * HOUR_NS, True),
        (60 * DAY_NS, 2 * HOUR_NS, False),
        (60 * DAY_NS, 25 * HOUR_NS, True),
    ],
)
def test_a_hole_that_the_source_has_just_confirmed_is_let_be_for_a_while(age_ns, asked_ago_ns, again):
    window = (NOW_NS - age_ns - HOUR_NS, NOW_NS - age_ns)
    found = due(None, window, asked=[(*window, NOW_NS - asked_ago_ns)])
    assert found == ([window] if again else [])


def rows(start_ns, n, g=1.0):
    return [[start_ns + i * HOUR_NS, g, 0, 5] for i in range(n)]


def test_only_what_is_missing_is_asked_for(cache):
    start_ns = NOW_NS - 100 * DAY_NS
    known(cache, [7.0] * 24, start_ns=start_ns, fetched_ns=NOW_NS)
    transport = FakeTransport(reply(rows(start_ns + DAY_NS, 24)))
    http = http_of(transport, wall_ns=lambda: NOW_NS)
    fetch(HOURLY, "DE", (start_ns, start_ns + 2 * DAY_NS), cache=cache, http=http, now_ns=NOW_NS)
    (sent,) = transport.sent
    assert dict(sent[0].params)["start"] == str(start_ns + DAY_NS)
    kept = kept_values(cache, "DE", (start_ns, start_ns + 2 * DAY_NS), provider="hourly")
    assert kept.intensity.intensity_g_per_kwh.tolist() == [7.0] * 24 + [1.0] * 24


def test_past_and_future_are_two_questions_and_the_young_forecast_is_used_again(cache):
    window = (NOW_NS - 2 * HOUR_NS, NOW_NS + 2 * HOUR_NS)
    transport = FakeTransport(reply(rows(window[0], 2)), reply(rows(NOW_NS, 2, g=9.0)))
    http = http_of(transport, wall_ns=lambda: NOW_NS)
    fetch(HOURLY, "DE", window, cache=cache, http=http, now_ns=NOW_NS)
    assert [sent[0].url.rpartition("/")[2] for sent in transport.sent] == ["history", "forecast"]
    fetch(HOURLY, "DE", window, cache=cache, http=http, now_ns=NOW_NS)
    assert len(transport.sent) == 2


def test_what_a_history_says_of_the_future_is_not_kept_as_history(cache):
    answer = hourly_answer(rows(NOW_NS - HOUR_NS, 3))
    query = query_of(start_ns=NOW_NS - HOUR_NS, end_ns=NOW_NS + 2 * HOUR_NS, now_ns=NOW_NS)
    keep_answer(cache, HOURLY, query, answer, NOW_NS)
    kept = kept_values(cache, "DE", (NOW_NS - DAY_NS, NOW_NS + DAY_NS), provider="hourly")
    assert kept.intensity.end_ns == NOW_NS


def test_forecasts_of_the_past_are_kept_by_their_issue(cache):
    series = hourly_answer(rows(NOW_NS, 2)).intensity
    answer = replace(hourly_answer(rows(NOW_NS, 2)), past=((5, series), (6, series)))
    keep_answer(cache, HOURLY, query_of(what="past-forecasts"), answer, NOW_NS)
    (key,) = cache.series("DE")
    assert cache.forecast(key, (NOW_NS, NOW_NS + HOUR_NS), issued_until_ns=5)[0] == 5


@pytest.mark.parametrize("changes", [{"zone": "FR"}, {"basis": "marginal"}])
def test_answer_for_something_else_is_refused_and_not_kept(cache, changes):
    answer = hourly_answer(rows(0, 1), **changes)
    with pytest.raises(ReplyError, match="where average of DE was asked for; nothing of it was used"):
        keep_answer(cache, HOURLY, query_of(), answer, NOW_NS)
    assert cache.zones() == []


def test_no_time_left_is_no_question(cache):
    transport = FakeTransport()
    http = http_of(transport)
    with pytest.raises(UnreachableError, match="the time for the network is used up"):
        fetch(
            HOURLY, "DE", (0, DAY_NS), cache=cache, http=http, now_ns=NOW_NS, until_s=http.monotonic() - 1.0
        )


def test_source_without_the_factors_asked_for_is_not_asked_for_them_every_time(cache):
    """A source that has direct factors alone answers the question for lifecycle with them."""
    start_ns = NOW_NS - 100 * DAY_NS

    class DirectAlone(HourlyProvider):
        def ask(self, query):
            return super().ask(replace(query, factors="direct"))

    transport = FakeTransport(reply(rows(start_ns, 24)))
    http = http_of(transport, wall_ns=lambda: NOW_NS)
    for _ in range(2):
        fetch(DirectAlone(), "DE", (start_ns, start_ns + DAY_NS), cache=cache, http=http, now_ns=NOW_NS)
    assert len(transport.sent) == 1
    kept = kept_values(cache, "DE", (start_ns, start_ns + DAY_NS), provider="hourly", factors="lifecycle")
    assert kept.key.factors == "direct"
    assert kept_values(cache, "DE", (start_ns, start_ns + DAY_NS), factors="lifecycle", strict=True) is None


def test_hours_fill_what_quarter_hours_of_the_same_source_do_not_know(cache):
    """A source that changed its step: the finer values first, the others where there are none."""
    start_ns = NOW_NS - 100 * DAY_NS
    fine = intensity_series([1.0, 2.0, 3.0, 4.0] * 2, zone="DE", start_ns=start_ns + HOUR_NS, step_s=900.0)
    coarse = intensity_series([10.0, 20.0], zone="DE", start_ns=start_ns)
    cache.put("p", fine, fetched_ns=2)
    cache.put("p", coarse, fetched_ns=1)
    kept = kept_values(cache, "DE", (start_ns, start_ns + 3 * HOUR_NS), provider="p")
    assert kept.intensity.intensity_g_per_kwh.tolist() == [10.0, *([1.0, 2.0, 3.0, 4.0] * 2)]
    assert kept.fetched_ns.tolist() == [1] + [2] * 8
    assert np.diff(kept.intensity.edges_ns).tolist() == [HOUR_NS] + [HOUR_NS // 4] * 8
