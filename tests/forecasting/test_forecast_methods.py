"""The forecasters, worked by hand and against slower ways."""

from __future__ import annotations

import numpy as np
import pytest
from forecast_cases import DAY, NAN, START, H, history_of, noisy

from lowtide.forecasting.history import History, history_until
from lowtide.forecasting.methods import blend, climatology, persistence_day, persistence_week, ridge
from lowtide.quantities import parse_instant_ns


def known(values: np.ndarray | list[float], **options: int) -> History:
    return history_until(history_of(values, **options))


def test_yesterday_is_repeated_over_and_over() -> None:
    history = known(np.arange(48.0))
    found = persistence_day.predict(history, np.array([48]), 50)[0]
    assert found.tolist() == [*range(24, 48), *range(24, 48), 24.0, 25.0]


def test_gap_yesterday_is_filled_by_the_day_before() -> None:
    values = np.arange(48.0)
    values[30] = NAN
    values[[31, 7]] = NAN
    found = persistence_day.predict(known(values), np.array([48]), 24)[0]
    assert found[6] == 6.0
    assert np.isnan(found[7])
    assert found[8] == 32.0


def test_last_week_is_repeated() -> None:
    history = known(np.arange(200.0))
    found = persistence_week.predict(history, np.array([170, 200]), 2)
    assert found.tolist() == [[2.0, 3.0], [32.0, 33.0]]
    assert np.isnan(persistence_week.predict(history, np.array([100]), 2)).all()


def test_half_hours_have_48_in_a_day() -> None:
    history = known(np.arange(96.0), step_ns=H // 2)
    assert persistence_day.predict(history, np.array([96]), 2).tolist() == [[48.0, 49.0]]


def test_climatology_of_a_short_history_is_the_hour_of_the_week() -> None:
    # three weeks at 1, 2, 6 g/kWh: the same hour of the week was 3 on average
    history = known(np.repeat([1.0, 2.0, 6.0], 168))
    assert climatology.predict(history, np.array([504]), 2).tolist() == [[3.0, 3.0]]


def test_climatology_of_less_than_a_week_is_the_hour_of_the_day() -> None:
    history = known(np.concatenate((np.arange(24.0), np.arange(24.0) + 10.0)))
    assert climatology.predict(history, np.array([48]), 3).tolist() == [[5.0, 6.0, 7.0]]


def test_climatology_of_a_year_is_the_month_by_the_hour() -> None:
    # 2023 as its month number plus a tenth of the hour; asked on 2024-01-01 for January, whose 31 days count
    start = parse_instant_ns("2023-01-01T00:00Z")
    hours = np.arange(8760)
    months = (start // H + hours).astype("datetime64[h]").astype("datetime64[M]").astype(int) % 12 + 1
    history = known(months + hours % 24 / 10.0, start_ns=start)
    found = climatology.predict(history, np.array([8760]), 24)[0]
    assert found == pytest.approx(1.0 + np.arange(24) / 10.0)


def test_months_with_few_values_do_not_count() -> None:
    # 18 days of January are not enough; the same hour of the week was 13 on day 5 and 5 on day 12
    values = np.concatenate((np.full(5 * 24, 13.0), np.full(14 * 24, 5.0)))
    assert climatology.predict(known(values), np.array([18 * 24]), 1)[0, 0] == 9.0


def test_blend_of_equal_days_is_the_day() -> None:
    day = np.arange(24.0) ** 2
    history = known(np.tile(day, 100))
    found = blend.predict(history, np.array([2400]), 48)[0]
    assert found == pytest.approx(np.tile(day, 2))


def test_blend_of_a_short_history_is_the_usual_value() -> None:
    # two days: 0..23 and 10..33, nothing to fit on, so the mean of both
    history = known(np.concatenate((np.arange(24.0), np.arange(24.0) + 10.0)))
    assert blend.predict(history, np.array([48]), 3)[0] == pytest.approx([5.0, 6.0, 7.0])


def slow_ridge(values: np.ndarray, origin: int, lead: int) -> float:
    """Return the ridge of hourly values without gaps by plain loops and least squares."""

    def usual(i: int, period: int = 24, n: int = 28) -> float:
        return float(np.mean(values[list(range(i % period, i + 1, period))[-n:]]))

    def features(at: int) -> tuple[list[float], float]:
        day, week = at + lead - 24 * (lead // 24 + 1), at + lead - 168 * (lead // 168 + 1)
        off = [values[i] - usual(i) for i in range(at - 24, at)]
        base = usual(day)
        found = [values[day], values[day - 24], values[week], usual(day, n=7), usual(week, 168, 6)]
        return [*(value - base for value in found), off[-1], float(np.mean(off)), 1.0], base

    rows, wanted, counts = [], [], []
    # whole days back from the last known target; of a first week nothing is known
    for at in range(origin - lead - 24 * ((origin - lead) // 24), origin - lead):
        if at + min(0, lead - 168 * (lead // 168 + 1)) < 0 or at < 25:
            continue
        x, base = features(at)
        rows.append(x)
        wanted.append(values[at + lead] - base)
        counts.append(9.0 if (at - origin) % 24 in (0, 1, 23) else 1.0)
    a, b, c = np.array(rows), np.array(wanted), np.array(counts)
    square = a.T @ (a * c[:, None])
    penalty = 0.02 * np.trace(square[:7, :7]) / 7
    square[range(7), range(7)] += penalty
    x, base = features(origin)
    return base + float(np.dot(np.linalg.solve(square, a.T @ (b * c)), x))


@pytest.mark.parametrize("lead", [0, 5, 30])
def test_ridge_is_least_squares_on_what_was_known(lead: int) -> None:
    values = noisy(110, seed=4)
    found = ridge.predict(known(values), np.array([105 * 24 + 7]), lead + 1)[0, lead]
    assert found == pytest.approx(slow_ridge(values, 105 * 24 + 7, lead), rel=1e-6)


def slow_blend(values: np.ndarray, origin: int, lead: int) -> float:
    """Return the blend of hourly values from its three parts by plain loops."""
    history = known(values)

    def parts(at: int) -> list[float]:
        methods = (ridge, persistence_day, climatology)
        return [float(m.predict(history, np.array([at]), lead + 1)[0, lead]) for m in methods]

    pasts = [origin - 24 * (1 + lead // 24 + back) for back in range(112)]
    rows = [(parts(at), values[at + lead]) for at in pasts if at >= 0]
    mixes = [(i / 5, j / 5, 1 - (i + j) / 5) for i in range(6) for j in range(6 - i)]
    rows = [(part, truth) for part, truth in rows if np.isfinite(part[0])]
    filled = [([part[0] if np.isnan(p) else p for p in part], truth) for part, truth in rows]
    errors = np.array(
        [np.mean([abs(float(np.dot(mix, part)) - truth) for part, truth in filled]) for mix in mixes]
    )
    share = np.exp(-50.0 * (errors - errors.min()) / errors.mean())
    weights = share @ np.array(mixes) / share.sum()
    return float(np.dot(weights, parts(origin)))


@pytest.mark.parametrize("lead", [0, 30])
def test_blend_weighs_its_parts_by_their_past_errors(lead: int) -> None:
    values = noisy(90, seed=4)
    found = blend.predict(known(values), np.array([85 * 24 + 7]), lead + 1)[0, lead]
    assert found == pytest.approx(slow_blend(values, 85 * 24 + 7, lead), rel=1e-6)


def test_blend_moves_to_the_part_that_was_right() -> None:
    # steps of 100 that last 20 days: the regression goes on regressing to the mean, yesterday is right but at steps
    rng = np.random.default_rng(12)
    values = np.repeat(np.cumsum(rng.choice([-100.0, 100.0], 12)) + 900.0, 20 * 24)
    history, origins = known(values), np.arange(150, 230) * 24
    actual = history.targets(origins, 24)
    mixed, alone, yesterday = (
        np.abs(m.predict(history, origins, 24) - actual).mean() for m in (blend, ridge, persistence_day)
    )
    assert yesterday < mixed < (yesterday + alone) / 2


def test_blend_follows_the_last_hour_at_first() -> None:
    # weather that lasts: 100 above usual now is felt in the next hour, and hardly two days later
    values = noisy(120, seed=5)
    higher = values.copy()
    higher[-3:] += 100.0
    origin = np.array([len(values)])
    less, more = (blend.predict(known(v), origin, 47)[0] for v in (values, higher))
    assert 50.0 < more[0] - less[0] < 130.0
    assert abs(more[40] - less[40]) < 40.0


def test_gaps_everywhere_still_give_a_forecast() -> None:
    history = known(noisy(120, seed=6, gaps=0.3))
    for method in (persistence_day, persistence_week, climatology, blend):
        found = method.predict(history, np.array([110 * 24]), 48)
        assert np.isfinite(found).mean() > 0.95, method.name


def test_hour_of_day_is_that_of_utc() -> None:
    # a load that comes an hour earlier (in UTC) from a Sunday on is repeated an hour late for one day
    day = np.where(np.arange(24) == 12, 9.0, 1.0)
    values = np.concatenate((np.tile(day, 3), np.roll(day, -1)))
    history = known(values, start_ns=START)
    assert int(np.argmax(persistence_day.predict(history, np.array([72]), 24))) == 12
    assert int(np.argmax(persistence_day.predict(history, np.array([96]), 24))) == 11
    assert history.end_ns == START + 4 * DAY
