"""Claims out of text: keys and values, and the front matter of a Hugging Face model card.

Only the small part of YAML that cards use is read here: scalars, and one level of indented keys. Grams, kilograms
and tonnes are said by the key or by a unit behind the number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lowtide.errors import DataFileError, QuantityError, near_matches
from lowtide.estimation.request import parse_count, parse_gpus
from lowtide.estimation.slips import Claim
from lowtide.quantities import parse_duration_s, parse_energy_kwh, parse_fraction, parse_power_w

__all__ = ["KEYS", "claim_of", "front_matter", "parse_grams", "parse_intensity", "parse_rate"]

_MASS_G: Final = {"g": 1.0, "kg": 1e3, "t": 1e6, "lb": 453.59237, "kt": 1e9}
_INTENSITY: Final = {"g/kWh": 1.0, "kg/kWh": 1e3, "kg/MWh": 1.0, "lb/MWh": 0.45359237, "g/MWh": 1e-3}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"

KEYS: Final[dict[str, str]] = {
    "title": "what it is",
    "gpus": "10000xV100",
    "duration": "14.8d",
    "gpu_hours": "3552000",
    "power_per_gpu": "330W",
    "energy": "1287MWh",
    "energy_of": "gpu, node or facility",
    "pue": "1.1",
    "emissions": "552.1t; a bare number is grams",
    "intensity": "429, or 0.429 kg/kWh",
    "zone": "US",
    "params": "175e9",
    "active_params": "175e9",
    "tokens": "300e9",
    "flops": "3.14e23",
    "bits": "16",
    "rate": "0.13g/1e6:token",
    "water": "892000 (litres)",
    "wue": "1.29 (L/kWh)",
    "before": "a figure before a saving",
    "after": "and after it",
    "saving": "28.5%",
}
"""Keys of a claim, with an example each."""


def front_matter(text: str, *, path: str) -> dict[str, Any]:
    """Return keys and values of a card's front matter, or of plain ``key: value`` lines.

    Raises
    ------
    DataFileError
        If a line is neither; with the line.

    Examples
    --------
    >>> card = "---\\nlicense: mit\\nco2_eq_emissions:\\n  emissions: 24690000\\n  source: paper\\n---\\n# Card"
    >>> front_matter(card, path="README.md")["co2_eq_emissions"]["emissions"]
    '24690000'
    """
    lines = text.splitlines()
    numbered = list(enumerate(lines, start=1))
    if lines and lines[0].strip() == "---":
        ends = [i for i, line in enumerate(lines[1:], start=1) if line.strip() in ("---", "...")]
        if not ends:
            raise DataFileError(
                "front matter begins with --- and never ends; close it with ---", path=path, line=1
            )
        numbered = numbered[1 : ends[0]]
    found: dict[str, Any] = {}
    parent = ""
    for number, line in numbered:
        parent = _read_line(line, number, found, parent, path)
    return found


def _read_line(line: str, number: int, found: dict[str, Any], parent: str, path: str) -> str:
    """Put one line into `found`; return the key that indented lines after it belong to."""
    stripped = line.strip()
    if not stripped or stripped.startswith(("#", "- ")) or stripped == "-":
        return parent
    match = re.fullmatch(r"(\s*)([\w .-]+?)\s*:(?:\s+(.*))?", line)
    if match is None:
        if line.startswith((" ", "\t")):
            return parent  # a folded text goes on
        raise DataFileError(
            f"cannot read {stripped[:40]!r}; write lines like energy: 1287MWh", path=path, line=number
        )
    indent, key, value = match[1], match[2], _scalar(match[3] or "")
    if indent and parent:
        if isinstance(found.get(parent), dict):
            found[parent][key] = value
        return parent
    found[key] = value if value else {}
    return key if not value else ""


def _scalar(text: str) -> str:
    """Return a value without quotes and a trailing comment."""
    stripped = text.strip()
    quoted = re.fullmatch(r"([\"'])(.*)\1(?:\s+#.*)?", stripped)
    return quoted[2] if quoted else re.sub(r"\s+#.*$", "", stripped)


def parse_grams(text: str) -> float:
    """Return grams from ``552.1t``, ``24.7 kg``, ``192 lb`` or a bare number of grams.

    >>> parse_grams("552.1t"), parse_grams("1,000")
    (552100000.0, 1000.0)
    """
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z]*)\s*(?:CO2e?q?)?", text.strip().replace(",", ""))
    unit = match[2] if match else ""
    unit = {"tonnes": "t", "tons": "t", "grams": "g", "lbs": "lb", "kgCOe": "kg"}.get(unit, unit)
    if match is None or (unit and unit not in _MASS_G):
        raise QuantityError(
            f"cannot read {text!r} as emissions; write it like 552.1t, 24.7kg or 24700 (grams)"
        )
    return float(match[1]) * _MASS_G.get(unit or "g", 1.0)


def parse_intensity(text: str) -> float:
    """Return g/kWh from ``429``, ``0.429 kg/kWh``, ``954 lb/MWh``.

    >>> parse_intensity("0.429 kg/kWh"), round(parse_intensity("954lb/MWh"), 1)
    (429.0, 432.7)
    """
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z0-9/]*)", text.strip())
    unit = "" if match is None else re.sub("CO2(e|eq)?", "", match[2])
    if match is None or (unit and unit not in _INTENSITY):
        raise QuantityError(
            f"cannot read {text!r} as an intensity; write it like 429, 0.429kg/kWh or 954lb/MWh"
        )
    return float(match[1]) * _INTENSITY.get(unit or "g/kWh", 1.0)


def parse_rate(text: str) -> tuple[float, float, str]:
    """Return (grams, size, unit) of ``0.13g/1e6:token``.

    >>> parse_rate("0.13g/1e6:token")
    (0.13, 1000000.0, 'token')
    """
    grams, slash, rest = text.partition("/")
    size, _, unit = rest.rpartition(":")
    unit = unit.strip().lower().removesuffix("s")
    if not slash or unit not in ("token", "parameter", "flop"):
        raise QuantityError(
            f"cannot read {text!r} as a rate; write it like 0.13g/1e6:token, parameter or flop"
        )
    return parse_grams(grams), parse_count(size, name="rate") if size else 1.0, unit


def claim_of(plain: Mapping[str, Any], *, path: str) -> Claim:
    """Return the claim of a file's keys: ours (:data:`KEYS`), or those of a Hugging Face card.

    Raises
    ------
    DataFileError
        If a value cannot be read, or nothing in it is a claim.
    """
    values = dict(plain)
    card = values.get("co2_eq_emissions")
    if card is not None:
        values = {**_card_values(card), **{key: value for key, value in values.items() if key in KEYS}}
    else:
        unknown = [key for key in values if str(key) not in KEYS]
        if unknown:
            hint = near_matches(str(unknown[0]), KEYS)
            raise DataFileError(f"unknown key {unknown[0]!r}{hint}; keys: {', '.join(KEYS)}", path=path)
    try:
        return _claim({key: str(value) for key, value in values.items() if value not in (None, "")})
    except QuantityError as error:
        raise DataFileError(str(error), path=path) from error


def _card_values(card: Any) -> dict[str, Any]:
    if not isinstance(card, Mapping):
        return {"emissions": f"{card}g"}
    found: dict[str, Any] = {"emissions": f"{str(card.get('emissions', '')).strip()}"}
    hardware = str(card.get("hardware_used", "") or "")
    match = re.match(r"\s*([0-9]+)\s*(?:x\s*)?(?:NVIDIA\s+)?([A-Za-z]+ ?[0-9]+\w*)", hardware)
    if match:
        found["gpus"] = f"{match[1]}x{match[2]}"
    return found


def _claim(values: Mapping[str, str]) -> Claim:
    n_gpus, gpu = parse_gpus(values["gpus"]) if "gpus" in values else (None, None)
    rate = parse_rate(values["rate"]) if "rate" in values else (None, 1.0, "token")
    of = values.get("energy_of")
    if of is not None and of not in ("gpu", "node", "facility"):
        raise QuantityError(f"energy_of is {of!r}; it is gpu, node or facility")

    def count(key: str) -> float | None:
        return parse_count(values[key].replace(",", ""), name=key) if key in values else None

    return Claim(
        title=values.get("title", ""),
        n_gpus=n_gpus,
        gpu=gpu,
        hours=parse_duration_s(values["duration"], bare_unit_s=3600.0) / 3600.0
        if "duration" in values
        else None,
        gpu_hours=count("gpu_hours"),
        power_w=parse_power_w(values["power_per_gpu"]) if "power_per_gpu" in values else None,
        energy_kwh=parse_energy_kwh(values["energy"].replace(",", "")) if "energy" in values else None,
        energy_of="gpu"
        if of == "gpu"
        else "node"
        if of == "node"
        else "facility"
        if of == "facility"
        else None,
        pue=count("pue"),
        emissions_g=parse_grams(values["emissions"]) if "emissions" in values else None,
        intensity_g_per_kwh=parse_intensity(values["intensity"]) if "intensity" in values else None,
        zone=values.get("zone"),
        n_parameters=count("params"),
        n_active_parameters=count("active_params"),
        n_tokens=count("tokens"),
        flops=count("flops"),
        bits=int(count("bits") or 16),
        rate_g=rate[0],
        rate_size=rate[1],
        rate_unit=rate[2],
        water_l=count("water"),
        wue_l_per_kwh=count("wue"),
        before=count("before"),
        after=count("after"),
        saving_fraction=parse_fraction(values["saving"]) if "saving" in values else None,
    )
