"""What the columns of a power log are, told from their names alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.errors import DataFileError, near_matches
from lowtide.model.energy import Boundary

__all__ = ["Layout", "column_key", "read_layout"]

Refuse = Callable[..., DataFileError]

_INSTANTS: Final = ("timestamp", "datetime", "date_time", "ts", "time", "instant", "unix", "unixtime",
                    "unix_time", "epoch", "epoch_time", "utc", "date")  # fmt: skip
"""Names of a column of instants, the surest first, but for ``_utc`` and a unit at the end."""
_ELAPSED: Final = ("t", "elapsed", "elapsed_time", "relative_time", "seconds")
_WHEN: Final = re.compile(
    rf"(?P<root>{'|'.join(sorted((*_INSTANTS, *_ELAPSED), key=len, reverse=True))})"
    r"(?P<utc>_utc)?(?:_(?P<unit>s|sec|seconds|ms|us|ns))?"
)
_DEVICES: Final = (("gpu_uuid", "uuid"), ("gpu_bus_id", "pci_bus_id"), ("index", "gpu_index", "gpu_id", "gpu",
                   "device", "device_id", "socket"))  # fmt: skip
"""Names of a column that tells devices apart; the first group that is there is enough."""
_HOSTS: Final = ("node", "host", "hostname")
_SCALES: Final = {"w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1000.0}
_NOT_DRAWN: Final = frozenset(
    ("limit", "cap", "tdp", "max", "min", "maximum", "minimum", "peak", "std", "default", "enforced", "idle")
)
_TOTAL: Final = frozenset(("total", "sum", "node", "system", "server", "machine", "host", "wall", "facility"))
_PLAIN: Final = frozenset(
    ("power", "draw", "avg", "average", "mean", "instant", "current", "ac", "input", "consumption", "value")
)
_KINDS: Final = {"gpu": "gpu", "accelerator": "gpu", "tpu": "gpu", "cpu": "cpu", "package": "cpu",
                 "socket": "cpu", "memory": "memory", "dram": "memory", "ram": "memory"}  # fmt: skip
_PART: Final = re.compile(rf"(?P<kind>{'|'.join(_KINDS)})(?P<number>\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where in a table the instants, watts and devices are.

    Attributes
    ----------
    when : int
        Column of the instants.
    unit : {"s", "ms", "us", "ns"} or None
        Of instants given as numbers, when the name says it.
    utc : bool
        Whether the name says that instants without offset are UTC.
    watts : tuple of (int, float)
        Columns to be added, each with what turns its numbers into watts.
    devices : tuple of int
        Columns that together tell devices apart; none for one device.
    boundary : Boundary
        What the watts contain, as far as the names tell; the node when they do not.
    """

    when: int
    unit: str | None
    utc: bool
    watts: tuple[tuple[int, float], ...]
    devices: tuple[int, ...]
    boundary: Boundary


def column_key(name: str) -> str:
    """Return a column name folded for comparison.

    >>> column_key("power.draw [W]"), column_key("power_W"), column_key("GPU0 Power (W)")
    ('power_draw_w', 'power_w', 'gpu0_power_w')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def read_layout(
    names: Sequence[str],
    *,
    refuse: Refuse,
    column: str | Sequence[str] | None = None,
    typed_instants: Sequence[int] = (),
    elapsed_first: bool = False,
) -> Layout:
    """Return what the columns of a power log are.

    Parameters
    ----------
    names : sequence of str
        As in the header.
    refuse : callable
        Makes the error from a message.
    column : str or sequence of str, optional
        The column or columns of watts, when the names do not tell.
    typed_instants : sequence of int
        Columns that are instants by their type.
    elapsed_first : bool
        Take a column of elapsed seconds before one of instants: a start was given.

    Raises
    ------
    DataFileError
        If no column says when, or none or too many say that they hold watts.
    """
    keys = [column_key(name) for name in names]
    when, unit, utc = _when(names, keys, refuse, typed_instants, elapsed_first)
    picked = _named(names, column, refuse) if column is not None else _watts(names, keys, refuse)
    return Layout(
        when=when,
        unit=unit,
        utc=utc,
        watts=tuple((i, _scale(keys[i], names[i], refuse)) for i in picked),
        devices=_devices(keys),
        boundary=_boundary([names[i] for i in picked]),
    )


def _when(
    names: Sequence[str], keys: list[str], refuse: Refuse, typed: Sequence[int], elapsed_first: bool
) -> tuple[int, str | None, bool]:
    order = (*_ELAPSED, *_INSTANTS) if elapsed_first else (*_INSTANTS, *_ELAPSED)
    found = []
    for i, key in enumerate(keys):
        match = _WHEN.fullmatch(key)
        if match is not None:
            unit = {"sec": "s", "seconds": "s"}.get(match["unit"], match["unit"])
            utc = bool(match["utc"]) or match["root"] == "utc"
            found.append((order.index(match["root"]), i, unit, utc))
    if found:
        return min(found)[1:]
    others = list(typed) or [i for i, key in enumerate(keys[:1]) if key in ("", "unnamed_0")]
    if others:
        return others[0], None, False
    looks_like_data = any(re.match(r"[\d/.:\- ]+$", name) for name in names)
    hint = "; the first line looks like data, a header is needed" if looks_like_data else ""
    raise refuse(
        f"no column says when: there are {', '.join(names)}; instants are in one called timestamp, time_ms "
        f"or the like, seconds since the start in one called t_s{hint}"
    )


def _named(names: Sequence[str], column: str | Sequence[str], refuse: Refuse) -> list[int]:
    picked = []
    for name in [column] if isinstance(column, str) else column:
        if name not in names:
            raise refuse(f"no column {name!r}{near_matches(name, names)}; there are {', '.join(names)}")
        picked.append(list(names).index(name))
    return picked


def _scale(key: str, name: str, refuse: Refuse) -> float:
    last = key.rsplit("_", 1)[-1]
    if last in ("mw", "gw", "j", "wh", "kwh", "mwh", "mj", "kj"):
        raise refuse(f"{name} is not in W or kW; write the power in watts")
    return _SCALES.get(last, 1.0)


def _watts(names: Sequence[str], keys: list[str], refuse: Refuse) -> list[int]:
    """Return the columns to be added: one of the whole, or parts that do not overlap."""
    words = {
        i: [word for word in key.split("_")[:-1] if word not in _PLAIN]
        for i, key in enumerate(keys)
        if key.split("_")[-1] in _SCALES and not _NOT_DRAWN & set(key.split("_"))
    }
    if not words:
        like = [name for name, key in zip(names, keys, strict=True) if "power" in key.split("_")]
        hint = f"; name it if one is in watts: --column {like[0]!r}" if like else ""
        raise refuse(f"no column says that it holds watts, like power_w: there are {', '.join(names)}{hint}")
    whole = [i for i, left in words.items() if left and set(left) <= _TOTAL]
    plain = [i for i, left in words.items() if not left]
    for group in (whole, plain):
        if group:
            return [_surest(group, keys, names, refuse)]
    parts = list(words)
    if len(parts) > 1 and not _disjoint([words[i] for i in parts]):
        listed = ", ".join(names[i] for i in parts)
        raise refuse(
            f"several columns of watts that may overlap: {listed}; name those to be added, --column NAME"
        )
    return parts


def _surest(group: list[int], keys: list[str], names: Sequence[str], refuse: Refuse) -> int:
    """Return the column with the plainest name (``power.draw`` before ``power.draw.average``)."""
    by_length = sorted(group, key=lambda i: len(keys[i].split("_")))
    if len(group) > 1 and len({len(keys[i].split("_")) for i in by_length[:2]}) == 1:
        listed = ", ".join(names[i] for i in group)
        raise refuse(f"several columns of watts: {listed}; name the one to be read, --column NAME")
    return by_length[0]


def _disjoint(parts: Sequence[list[str]]) -> bool:
    """Return whether parts are devices of different kinds, or numbered ones of a kind."""
    seen: dict[str, set[str]] = {}
    for words in parts:
        match = _PART.fullmatch("".join(words))
        if match is None or match["number"] in seen.setdefault(_KINDS[match["kind"]], set()):
            return False
        seen[_KINDS[match["kind"]]].add(match["number"])
    return all(len(numbers) == 1 or "" not in numbers for numbers in seen.values())


def _devices(keys: list[str]) -> tuple[int, ...]:
    """Return the columns that tell devices apart: of the host, if there is one, and of the device in it."""
    hosts = [i for i, key in enumerate(keys) if key in _HOSTS][:1]
    for group in _DEVICES:
        devices = [i for i, key in enumerate(keys) if key in group][:1]
        if devices:
            return (*hosts, *devices)
    return tuple(hosts)


def _boundary(names: Sequence[str]) -> Boundary:
    """Return what watts of these names contain; the node when the names do not tell."""
    kinds = set()
    for name in names:
        words = re.findall("[a-z]+", name.lower())
        kinds.add(
            "gpu" if name.startswith("power.draw") else next((_KINDS[w] for w in words if w in _KINDS), "")
        )
        if "facility" in words and len(names) == 1:
            return "facility"
    if "" in kinds:
        return "node"
    return "gpu" if kinds == {"gpu"} else "chip" if kinds == {"cpu"} else "components"
