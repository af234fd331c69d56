"""Each step down the chain: what stands in, what is said of it, and how far the range grows."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from loopback import FakeTransport, HourlyProvider, NoAnswer, http_of, reply

from lowtide.data.intensity import widening
from lowtide.errors import ZoneError
from lowtide.grid.cache import Cache
from lowtide.grid.fallback import find_intensity
from lowtide.grid.spreads import DAYS_BEFORE
from lowtide.grid.typical import typical_intensity
from lowtide.testing.builders import START_NS, intensity_series
from shared_data import data_path

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
DAY = (START_NS, START_NS + DAY_NS)
NOW_NS = START_NS + 300 * DAY_NS
FIRST, SECOND = HourlyProvider(name="first", title="First"), HourlyProvider(name="second", title="Second")


@pytest.fixture
def cache():
    opened = Cache(":memory:")
    yield opened
    opened.close()


def put(cache, name, values, *, start_ns=START_NS, source=None, **signal):
    series = intensity_series(values, zone="DE", start_ns=start_ns, **signal)
    series = replace(series, signal=replace(series.signal, source=source or name.title()))
    cache.put(name, series, fetched_ns=NOW_NS)


def find(cache, *providers, http=None, window=DAY, **changes):
    return find_intensity("DE", window, providers=providers, cache=cache, http=http, now_ns=NOW_NS, **changes)


def kinds(found):
    return [(s.kind, s.hours) for s in found.stand_ins]


def test_one_provider_that_knows_all_is_taken_as_it_is(cache):
    put(cache, "first", np.arange(24.0))
    found = find(cache, FIRST, SECOND)
    assert found.intensity.intensity_g_per_kwh.tolist() == list(range(24))
    assert (found.intensity.signal.source, found.intensity.signal.spread) == ("First", None)
    assert (kinds(found), found.problems, found.provider) == ([], (), "first")


def test_without_providers_and_cache_it_is_the_typical_profile_to_the_bit():
    found = find(None)
    typical = typical_intensity("DE", *DAY)
    np.testing.assert_array_equal(found.intensity.intensity_g_per_kwh, typical.intensity_g_per_kwh)
    np.testing.assert_array_equal(found.intensity.edges_ns, typical.edges_ns)
    assert found.intensity.signal == typical.signal
    assert found.provider == "typical"


def test_another_provider_stands_in_with_the_range_of_another_method(cache):
    put(cache, "first", [*[400.0] * 18, *[np.nan] * 6])
    put(cache, "second", [400.0] * 24)
    found = find(cache, FIRST, SECOND)
    assert kinds(found) == [("other provider", 6.0)]
    assert found.intensity.signal.source == "First; 6 of 24 h Second"
    term = widening("method", "lifecycle", "other")
    # a quarter of the grams may be as far off as methods are from each other, either way
    high = max(term.high_fraction, 1.0 / term.low_fraction)
    assert found.intensity.signal.spread.high_fraction[0] == pytest.approx(1 + (high - 1) / 4)
    assert found.intensity.signal.spread.low_fraction[0] == pytest.approx(1 - (1 - 1 / high) / 4, abs=0.005)


def test_a_failing_first_provider_leaves_the_second_and_its_reason(cache):
    put(cache, "second", [400.0] * 24)
    http = http_of(FakeTransport(*[NoAnswer("no connection")] * 4), env={"LOWTIDE_FIRST_HOURLY": "k1k1"})
    found = find(cache, FIRST, replace(SECOND, offers=frozenset()), http=http)
    assert found.provider == "second"
    assert found.problems == ("first: hourly.example/history: no connection after 4 attempts",)
    assert "because first: hourly.example" in found.intensity.signal.source


def test_last_cached_values_of_a_source_that_is_not_configured_stand_in(cache):
    put(cache, "first", [400.0] * 12)
    put(cache, "gone", [300.0] * 24)
    found = find(cache, FIRST)
    assert kinds(found) == [("last cached", 12.0)]
    assert "12 of 24 h last cached of Gone" in found.intensity.signal.source


def test_a_cached_forecast_comes_before_the_values_of_another_day(cache):
    put(cache, "first", [400.0] * 24, start_ns=START_NS - DAY_NS)
    forecast = intensity_series([350.0] * 24, zone="DE", status="forecast")
    cache.put_forecast("first", forecast, issued_ns=START_NS - HOUR_NS, fetched_ns=NOW_NS)
    found = find(cache, FIRST)
    assert found.intensity.intensity_g_per_kwh.tolist() == [350.0] * 24
    assert set(found.intensity.status.tolist()) == {2}
    assert found.intensity.signal.spread is not None


def ahead(cache, g, *, factors, issued_h, hours=24):
    series = intensity_series([g] * hours, zone="DE", factors=factors, status="forecast")
    cache.put_forecast(
        "first", series, issued_ns=START_NS + issued_h * HOUR_NS, fetched_ns=START_NS + issued_h * HOUR_NS
    )


def find_ahead(cache, **changes):
    return find_intensity(
        "DE", DAY, providers=[FIRST], cache=cache, http=None, now_ns=START_NS, **changes
    ).intensity  # fmt: skip


@pytest.mark.parametrize("first", ["direct", "lifecycle"])
def test_a_forecast_with_the_factors_asked_for_is_taken_however_new_another_is(cache, first):
    kept = {"direct": 300.0, "lifecycle": 400.0}
    for factors in (first, *(kept.keys() - {first})):
        ahead(cache, kept[factors], factors=factors, issued_h=-1 if factors == "direct" else -5)
    for factors, g in kept.items():
        found = find_ahead(cache, factors=factors)
        assert (found.signal.factors, set(found.intensity_g_per_kwh.tolist())) == (factors, {g})


def test_a_provider_with_other_factors_alone_gives_its_forecast_and_says_so(cache):
    ahead(cache, 300.0, factors="direct", issued_h=-1)
    found = find_ahead(cache)
    assert (found.signal.factors, found.mean_g_per_kwh()) == ("direct", 300.0)


@pytest.mark.parametrize("newest", ["lifecycle", "unknown"])
def test_the_forecast_issued_last_comes_first(cache, newest):
    for factors in ("lifecycle", "unknown"):
        ahead(cache, 500.0 if factors == newest else 400.0, factors=factors,
              issued_h=-1 if factors == newest else -5, hours=12 if factors == newest else 24)  # fmt: skip
    assert find_ahead(cache).intensity_g_per_kwh.tolist() == [500.0] * 12 + [400.0] * 12


def test_the_day_before_stands_in_as_an_estimate(cache):
    put(cache, "first", np.arange(24.0) + 100.0, start_ns=START_NS - DAY_NS)
    put(cache, "first", [500.0] * 12)
    found = find(cache, FIRST)
    assert found.intensity.intensity_g_per_kwh.tolist() == [500.0] * 12 + [112.0 + i for i in range(12)]
    assert found.intensity.status.tolist() == [0] * 12 + [1] * 12
    assert kinds(found) == [("days before", 12.0)]


def test_older_days_widen_the_range_more(cache):
    """Two days old: the logarithm of the range grows with the root of two."""
    put(cache, "first", [100.0] * 24, start_ns=START_NS - 2 * DAY_NS)
    found = find(cache, FIRST)
    assert "values of 2 days before" in found.intensity.signal.source
    spread = found.intensity.signal.spread
    assert spread.high_fraction[0] == pytest.approx(1.18 ** sqrt(2))
    assert spread.low_fraction[0] == pytest.approx(0.845 ** sqrt(2))


def test_typical_fills_what_is_left_and_no_more(cache):
    put(cache, "first", [100.0] * 12)
    found = find(cache, FIRST)
    typical = typical_intensity("DE", *DAY).intensity_g_per_kwh
    assert found.intensity.intensity_g_per_kwh.tolist() == [100.0] * 12 + typical[12:].tolist()
    assert found.intensity.status.tolist() == [0] * 12 + [3] * 12
    assert kinds(found) == [("typical", 12.0)]
    assert "12 of 24 h typical (shape 2020-2021, level 2023)" in found.intensity.signal.source


def test_typical_alone_can_be_asked_for_although_values_are_cached(cache):
    put(cache, "first", [100.0] * 24)
    assert find(None).provider == "typical"


def test_steps_of_what_stands_in_leave_the_other_steps_alone(cache):
    put(cache, "first", [400.0] * 12)
    put(cache, "fine", [300.0] * 96, step_s=900.0)
    found = find(cache, FIRST)
    assert np.diff(found.intensity.edges_ns).tolist() == [HOUR_NS] * 12 + [HOUR_NS // 4] * 48


def test_marginal_has_no_typical_and_stays_unknown_where_nothing_is_known(cache):
    put(cache, "first", [700.0] * 2, basis="marginal", factors="unknown")
    found = find(cache, replace(FIRST, basis="marginal"), basis="marginal")
    values = found.intensity.intensity_g_per_kwh
    assert values[:2].tolist() == [700.0] * 2
    assert np.isnan(values[2:]).all()


def test_nothing_known_of_the_marginal_says_what_would_help(cache):
    with pytest.raises(ZoneError, match=r"no marginal intensity of DE is known.*lowtide grid providers"):
        find(cache, basis="marginal")


def test_a_zone_only_a_provider_knows_needs_no_typical(cache):
    series = intensity_series([5.0] * 24, zone="GB-REGION-13")
    cache.put("first", series, fetched_ns=NOW_NS)
    found = find_intensity("GB-REGION-13", DAY, providers=[FIRST], cache=cache, http=None, now_ns=NOW_NS)
    assert found.intensity.mean_g_per_kwh() == 5.0
    half = find_intensity(
        "GB-REGION-13", (DAY[0], DAY[1] + HOUR_NS), providers=[FIRST], cache=cache, http=None, now_ns=NOW_NS
    )
    assert kinds(half) == [("days before", 1.0)]


def test_what_a_provider_answers_is_used_and_kept(cache):
    rows = [[START_NS + i * HOUR_NS, 10.0 * i, 0, 5] for i in range(24)]
    http = http_of(FakeTransport(reply(rows)), wall_ns=lambda: NOW_NS, env={"LOWTIDE_FIRST_HOURLY": "k1k1"})
    found = find(cache, FIRST, http=http)
    assert found.intensity.intensity_g_per_kwh.tolist() == [10.0 * i for i in range(24)]
    assert find(cache, FIRST).intensity.intensity_g_per_kwh.tolist() == [10.0 * i for i in range(24)]


@pytest.mark.slow
def test_ranges_of_the_day_before_are_those_of_the_public_data():
    """Quantiles of a window's mean over that of the day before, pooled over the 13 zones of CarbonCast."""
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(data_path("carboncast_actual_mix_2020_2021.parquet"), columns=["zone", "ci_lca"])
    names, values = np.array(table["zone"].to_pylist()), table["ci_lca"].to_numpy().astype(float)
    spread = DAYS_BEFORE["average"]
    for hours, low, high in zip(spread.hours, spread.low_fraction, spread.high_fraction, strict=True):
        ratios = []
        n, lag = round(hours), 24 * int(np.ceil(hours / 24))
        for zone in np.unique(names):
            sums = np.concatenate(([0.0], np.cumsum(values[names == zone])))
            means = (sums[n:] - sums[:-n]) / n
            ratios.append(means[lag:] / means[:-lag])
        found = np.quantile(np.concatenate(ratios), [0.05, 0.95])
        assert found == pytest.approx([low, high], abs=0.01)
