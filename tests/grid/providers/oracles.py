"""What a reply says, read a second time and simply: the judge of whatever a provider accepts.

Each function returns the intensities that a body claims, by the start of their step, and the places it is for.
Nothing of the providers' own reading is used. Where a body claims several values of one instant, all are returned.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.dom import minidom

Claims = dict[int, list[float]]
HOUR_NS = 3_600_000_000_000
LB = 0.45359237
MIX_G = {
    "lifecycle": {
        "coal": 820,
        "gas": 490,
        "oil": 650,
        "biomass": 230,
        "geothermal": 38,
        "hydro": 24,
        "nuclear": 12,
        "solar": 45,
        "wind": 11,
        "unknown": 700,
    },
    "direct": {
        "coal": 760,
        "gas": 370,
        "oil": 406,
        "biomass": 0,
        "geothermal": 0,
        "hydro": 0,
        "nuclear": 0,
        "solar": 0,
        "wind": 0,
        "unknown": 575,
    },
}
EIA_FUEL = {
    "COL": "coal",
    "NG": "gas",
    "OIL": "oil",
    "NUC": "nuclear",
    "WAT": "hydro",
    "SUN": "solar",
    "SNB": "solar",
    "WND": "wind",
    "WNB": "wind",
    "GEO": "geothermal",
    "BIO": "biomass",
}
PLANT_FUEL = {
    "B01": "biomass",
    "B02": "coal",
    "B03": "coal",
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "coal",
    "B08": "coal",
    "B09": "geothermal",
    "B11": "hydro",
    "B12": "hydro",
    "B13": "hydro",
    "B14": "nuclear",
    "B15": "biomass",
    "B16": "solar",
    "B18": "wind",
    "B19": "wind",
}


def t_ns(text: str, *, naive_utc: bool = False) -> int:
    """Return an ISO stamp as ns, by the standard library."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("z", "Z"))
    except ValueError:
        return -1  # no instant of any answer: the row claims nothing
    if moment.tzinfo is None and naive_utc:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000


def electricity_maps(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read any reply of Electricity Maps."""
    root = json.loads(body.decode("utf-8-sig"))
    rows = root.get("history") or root.get("data") or root.get("forecast") or [root]
    places = {node["zone"] for node in (root, *rows) if node.get("zone") is not None}
    return _claims((t_ns(row["datetime"]), row.get("carbonIntensity")) for row in rows), places


def watttime(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of WattTime, past forecasts too."""
    root = json.loads(body.decode("utf-8-sig"))
    data = root["data"]
    rows = (
        [p for issue in data for p in issue.get("forecast", [])] if data and "forecast" in data[0] else data
    )
    pairs = ((t_ns(row["point_time"]), row.get("value")) for row in rows)
    return {t: [g * LB for g in values] for t, values in _claims(pairs).items()}, {root["meta"]["region"]}


def gb(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of the Carbon Intensity API; the place is the number of the region, if any."""
    data = json.loads(body.decode("utf-8-sig"))["data"]
    regions = [data] if isinstance(data, dict) else [d for d in data if "regionid" in d]
    rows = [row for region in regions for row in region["data"]] if regions else data
    claims: Claims = defaultdict(list)
    for row in rows:
        told = [row["intensity"].get(name) for name in ("actual", "forecast")]
        claims[t_ns(row["from"])] += [float(g) for g in told if g is not None]
    return claims, {f"GB-REGION-{int(float(region['regionid']))}" for region in regions} or {"GB"}


def energy_charts(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of Energy-Charts; it does not say its place."""
    root = json.loads(body.decode("utf-8-sig"))
    columns = zip(root["unix_seconds"], root["co2eq"], root["co2eq_forecast"], strict=True)
    return {
        int(float(t)) * 10**9: [float(g) for g in values if g is not None] for t, *values in columns
    }, set()


def eia(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of EIA and multiply its mix, slowly."""
    rows = json.loads(body.decode("utf-8-sig"))["response"]["data"]
    power: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["fueltype"] not in ("BAT", "PS", "UES", "OES"):
            value = row.get("value")
            start = t_ns(row["period"] + ":00", naive_utc=True) - HOUR_NS
            known = power[row["fueltype"]].get(start)
            power[row["fueltype"]][start] = known if value is None and known is not None else _number(value)
    return _mixed(power, EIA_FUEL, factors), {row["respondent"] for row in rows}


def entsoe(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a document of ENTSO-E with another parser, and multiply its mix, slowly."""
    root = minidom.parseString(re.sub(r"^\s*<\?xml[^>]*\?>", "", body.decode("utf-8-sig")).encode())
    series = []
    places = set()
    for told in root.getElementsByTagName("TimeSeries"):
        inside, outside = (_texts(told, f"{d}BiddingZone_Domain.mRID") for d in ("in", "out"))
        places |= {*inside, *outside}
        plant = _texts(told, "psrType")[0]
        if outside or plant in ("B10", "B25"):
            continue
        series.append((plant, HOUR_NS, 0, 0, {}, "A01"))  # without a point it belongs to the mix all the same
        for period in told.getElementsByTagName("Period"):
            step = int(_texts(period, "resolution")[0][2:4]) * HOUR_NS // 60
            start, end = (t_ns(_texts(period, name)[0]) for name in ("start", "end"))
            points = {
                int(float(_texts(p, "position")[0])): float(_texts(p, "quantity")[0])
                for p in period.getElementsByTagName("Point")
            }
            series.append((plant, step, start, end, points, _texts(told, "curveType")[0]))
    finest = min((step for _, step, *_ in series), default=HOUR_NS)
    power: dict[str, dict[int, float]] = defaultdict(dict)
    for plant, step, start, end, points, curve in series:
        power[plant] = power[plant]
        value = math.nan
        for position in range(1, (end - start) // step + 1):
            value = points.get(position, value if curve == "A03" else math.nan)
            for t in range(start + (position - 1) * step, start + position * step, finest):
                known = power[plant].get(t, math.nan)
                power[plant][t] = known if known == known else value
    return _mixed(power, PLANT_FUEL, factors), places


def openelectricity(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of Open Electricity."""
    root = json.loads(body.decode("utf-8-sig"))
    found: dict[str, dict[str, dict[int, float]]] = {
        "energy": defaultdict(dict),
        "emissions": defaultdict(dict),
    }
    places = set()
    for block in root["data"]:
        for result in block["results"]:
            columns = result["columns"]
            places.add(columns.get("region") or columns.get("network_region"))
            if columns["fueltech"].startswith("battery"):
                continue
            found["energy"][columns["fueltech"]]  # named by either metric, it belongs to the mix
            column = found[block["metric"]][columns["fueltech"]]
            for stamp, value in result["data"]:
                t = t_ns(stamp)
                column[t] = column[t] if value is None and column.get(t) is not None else _number(value)
    claims: Claims = {}
    for t in {t for column in found["energy"].values() for t in column}:
        mw = [column.get(t, math.nan) for column in found["energy"].values()]
        tonnes = [found["emissions"].get(tech, {}).get(t, math.nan) for tech in found["energy"]]
        total = sum(max(v, 0.0) if v == v else v for v in mw)
        claims[t] = [1000.0 * sum(tonnes) / total] if total > 0.0 else []
    return claims, places


def carbon_aware_sdk(body: bytes, factors: str) -> tuple[Claims, set[str]]:
    """Read a reply of the Carbon Aware SDK."""
    root = json.loads(body.decode("utf-8-sig"))
    rows = root[0]["forecastData"] if root and "forecastData" in root[0] else root
    places = {row["location"] for row in rows} | {root[0]["location"]}
    pairs = ((row.get("time") or row["timestamp"], row.get("rating", row.get("value"))) for row in rows)
    return _claims((t_ns(t), g) for t, g in pairs), places


def _claims(pairs: Any) -> Claims:
    found: Claims = defaultdict(list)
    for t, g in pairs:
        if g is not None:
            found[t].append(float(g))
    return found


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _texts(element: Any, name: str) -> list[str]:
    return ["".join(n.data for n in e.childNodes).strip() for e in element.getElementsByTagName(name)]


def _mixed(power: dict[str, dict[int, float]], fuels: dict[str, str], factors: str) -> Claims:
    """Return the intensity of each instant; a fuel that is missing and not below 1 % leaves it out."""
    means = {}
    for code, column in power.items():
        known = [max(v, 0.0) for v in column.values() if v == v]
        means[code] = math.fsum(known) / len(known) if known else 0.0
    told = {code for code, column in power.items() if any(v == v for v in column.values())}
    small = {code for code in told if means[code] < 0.01 * math.fsum(means.values())}
    claims: Claims = {}
    for t in {t for column in power.values() for t in column}:
        at = {code: column.get(t, math.nan) for code, column in power.items()}
        at = {
            code: 0.0 if v != v and code in small else max(v, 0.0) if v == v else v for code, v in at.items()
        }
        total = sum(at.values())
        if total > 0.0:
            g = {code: MIX_G[factors][fuels.get(code, "unknown")] for code in at}
            claims[t] = [sum(at[code] * g[code] for code in at) / total]
    return claims


ORACLES = {
    "electricitymaps": electricity_maps,
    "electricitymaps-v3": electricity_maps,
    "watttime": watttime,
    "gb": gb,
    "energy-charts": energy_charts,
    "eia": eia,
    "entsoe": entsoe,
    "openelectricity": openelectricity,
    "carbon-aware-sdk": carbon_aware_sdk,
}
