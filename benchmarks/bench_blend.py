"""How good the blend is beside repeating yesterday, repeating last week, climatology and CarbonCast's forecasts.

    python benchmarks/bench_blend.py [lifecycle|direct ...]

Thirteen zones, 181 issues at 00 UTC from 2021-07-01 on, actuals known up to two hours before each. The bars, by zone:
at each lead of 1 to 48 h the blend's mean absolute error is at most 2 % above that of the best of the three simple
methods *at that lead*, seen afterwards; over 1 to 48 h it is below that of the best of them in at least 10 zones; its
90 % band holds 86 to 94 % of the truth. California 2019-2022 stands apart, where a published day-ahead
forecast is known. Savings are those of 6 h jobs in windows of 24 h that begin at the issues, with pauses or without.
Writes ``benchmarks/results/blend.json`` and exits 1 when a bar is missed, 2 where the data are not there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from carboncast import KNOWN_BEFORE_H, Zone, read_zones
from lowtide.arrays import FloatArray
from lowtide.forecasting.history import history_until
from lowtide.forecasting.methods import blend, climatology, persistence_day, persistence_week
from lowtide.forecasting.methods.provider import ProviderColumn
from lowtide.forecasting.rolling import points_from, roll
from lowtide.forecasting.scores import mean_absolute_error
from lowtide.grid.files import read_intensity
from lowtide.model.signal import Factors
from lowtide.planning.regret import Regret, regret, regret_of_windows
from lowtide.planning.shifting import Asked
from lowtide.units import NS_PER_H

DATA = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULT = Path(__file__).parent / "results" / "blend.json"
SIMPLE = (persistence_day, persistence_week, climatology)
BANDS = ((1, 6), (7, 12), (13, 24), (25, 48))
N_LEADS = 48
MOST_RATIO, LEAST_ZONES, COVERAGE = 1.02, 10, (0.86, 0.94)
JOBS = {
    p: Asked(duration_s=6 * 3600.0, slack_s=18 * 3600.0, policy=p) for p in ("flexible-start", "pause-resume")
}


def judged(zone: Zone) -> dict[str, Any]:
    """Return what one zone's forecasts were worth."""
    history, origins, skip = zone.history, zone.origins, KNOWN_BEFORE_H
    actual = history.targets(origins + skip, N_LEADS)
    rolled = roll(blend, history, origins, N_LEADS + skip)
    points = {m.name: points_from(m, history, origins, N_LEADS + skip)[:, skip:] for m in SIMPLE}
    points |= {"blend": rolled.points[:, skip:], "carboncast": zone.theirs[:, :N_LEADS]}
    by_lead = {name: np.nanmean(np.abs(p - actual), axis=0) for name, p in points.items()}
    ratio = by_lead["blend"] / np.min([by_lead[m.name] for m in SIMPLE], axis=0)
    low, high = (rolled.quantiles[:, i, skip:] for i in (0, -1))
    whole = {name: mean_absolute_error(p, actual) or 0.0 for name, p in points.items()}
    return {
        "error_g_per_kwh": whole,
        "error_by_band_g_per_kwh": {n: [float(e[a - 1 : b].mean()) for a, b in BANDS] for n, e in by_lead.items()},
        "ratio_of_means": whole["blend"] / min(whole[m.name] for m in SIMPLE),
        "worst_ratio": float(ratio.max()),
        "worst_lead_h": int(ratio.argmax()) + 1,
        "coverage_90": float(np.mean(((actual >= low) & (actual <= high))[~np.isnan(actual + low)])),
        "savings": {name: savings(points, actual, asked, zone) for name, asked in JOBS.items()},
    }  # fmt: skip


def savings(
    points: dict[str, FloatArray], actual: FloatArray, asked: Asked, zone: Zone
) -> dict[str, float | None]:
    return fractions(
        regret_of_windows(points, actual, asked, starts_ns=zone.issues_ns, step_ns=NS_PER_H)
    )  # fmt: skip


def fractions(found: Regret) -> dict[str, float | None]:
    return {row.method: row.ratio_saving_fraction for row in found.rows if row.method != "run-now"}


def california() -> dict[str, Any]:
    """Return the errors of 24 h forecasts of 2019-2022 issued at 00 UTC, and what each saves every hour."""
    actual, column = (
        read_intensity(DATA / "ciso_dayahead_forecast_2019_2022.parquet", column=name)
        for name in ("actual_direct", "forecast")
    )
    history = history_until(actual)
    methods = [*SIMPLE, blend, ProviderColumn(column=column)]
    first = 98 * 24
    origins = np.arange(first, history.n - 24, 24)
    truth = history.targets(origins, 24)
    points = {m.name: points_from(m, history, origins, 24) for m in methods}
    known = truth + sum(p * 0.0 for p in points.values())
    first_ns = history.start_ns + first * NS_PER_H
    found = {
        name: fractions(regret(history, methods, asked, first_ns=first_ns)) for name, asked in JOBS.items()
    }
    return {
        "error_g_per_kwh": {n: mean_absolute_error(p, known) for n, p in points.items()},
        "savings": found,
    }


def missed(zones: dict[str, dict[str, Any]]) -> list[str]:
    """Return the bars that are missed, in words."""
    found = []
    for name, row in zones.items():
        if row["worst_ratio"] > MOST_RATIO:
            found.append(f"{name}: {row['worst_ratio']:.3f} of the best at {row['worst_lead_h']} h")
        if not COVERAGE[0] <= row["coverage_90"] <= COVERAGE[1]:
            found.append(f"{name}: {100 * row['coverage_90']:.1f} % in the 90 % band")
    better = sum(row["ratio_of_means"] < 1.0 for row in zones.values())
    if better < LEAST_ZONES:
        found.append(f"better than the best in {better} zones only")
    return found


def show(zones: dict[str, dict[str, Any]]) -> None:
    print("MAE [g/kWh] by lead: " + ", ".join(f"{a}-{b} h" for a, b in BANDS))
    for name, row in zones.items():
        print(f"{name}: worst {row['worst_ratio']:.3f} of the best simple one (at {row['worst_lead_h']} h), "
              f"mean {row['ratio_of_means']:.3f}, in 90 %: {100 * row['coverage_90']:.1f} %")  # fmt: skip
        for method, errors in row["error_by_band_g_per_kwh"].items():
            saved = ", ".join(f"{100 * (s[method] or 0.0):5.1f}" for s in row["savings"].values())
            print(f"  {method:17}" + "".join(f"{e:8.1f}" for e in errors) + f"   saves {saved} %")
        print(
            " " * 53
            + "oracle "
            + ", ".join(f"{100 * s['oracle']:5.1f}" for s in row["savings"].values())
            + " %"
        )


def main() -> None:
    if not DATA.is_dir():
        print(f"no data in {DATA}; set LOWTIDE_TEST_DATA")
        sys.exit(2)
    asked = cast(list[Factors], sys.argv[1:] or ["lifecycle", "direct"])
    result: dict[str, Any] = {"bars": {"worst_ratio": MOST_RATIO, "zones": LEAST_ZONES, "coverage": COVERAGE}}
    failures = []
    for factors in asked:
        begin = time.perf_counter()
        zones = {name: judged(zone) for name, zone in read_zones(DATA, factors).items()}
        print(f"== {factors}, {len(zones)} zones in {time.perf_counter() - begin:.1f} s")
        show(zones)
        found = missed(zones)
        print(f"bars missed: {'; '.join(found) or 'none'}")
        result[factors] = {"zones": zones, "missed": found}
        failures += found
    result["california_2019_2022"] = apart = california()
    print(f"== California 2019-2022, 24 h: {json.dumps(apart, indent=1)}")
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
