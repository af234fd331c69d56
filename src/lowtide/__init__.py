"""lowtide: train when the carbon is low.

The verbs are functions here, the nouns are types; both are loaded when first used, so that importing
lowtide costs next to nothing.

>>> import lowtide as lt
>>> lt.units.kwh_from_j(3.6e6)
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Channel": "lowtide.model.hardware",
    "Entry": "lowtide.model.ledger",
    "IntensitySeries": "lowtide.series.types",
    "LowtideError": "lowtide.errors",
    "Measurement": "lowtide.runtime.measure",
    "PowerSeries": "lowtide.series.types",
    "PriceSeries": "lowtide.series.types",
    "Record": "lowtide.model.record",
    "Signal": "lowtide.model.signal",
    "Site": "lowtide.model.site",
    "account": "lowtide.runtime.account",
    "estimate": "lowtide.runtime.estimating",
    "gate": "lowtide.runtime.gate",
    "count": "lowtide.runtime.phases",
    "measure": "lowtide.runtime.measure",
    "measured": "lowtide.runtime.measure",
    "phase": "lowtide.runtime.phases",
    "plan": "lowtide.runtime.planning",
    "read_intensity": "lowtide.grid.files",
    "step": "lowtide.runtime.phases",
    "sweep": "lowtide.runtime.sweeping",
}
_MODULES = ("errors", "quantities", "units")

__all__ = [
    "__version__",
    "Channel",
    "Entry",
    "IntensitySeries",
    "LowtideError",
    "Measurement",
    "PowerSeries",
    "PriceSeries",
    "Record",
    "Signal",
    "Site",
    "account",
    "count",
    "errors",
    "estimate",
    "gate",
    "measure",
    "measured",
    "phase",
    "quantities",
    "plan",
    "read_intensity",
    "step",
    "sweep",
    "units",
]

if TYPE_CHECKING:
    from lowtide import errors, quantities, units
    from lowtide.errors import LowtideError
    from lowtide.grid.files import read_intensity
    from lowtide.model.hardware import Channel
    from lowtide.model.ledger import Entry
    from lowtide.model.record import Record
    from lowtide.model.signal import Signal
    from lowtide.model.site import Site
    from lowtide.runtime.account import account
    from lowtide.runtime.estimating import estimate
    from lowtide.runtime.gate import gate
    from lowtide.runtime.measure import Measurement, measure, measured
    from lowtide.runtime.phases import count, phase, step
    from lowtide.runtime.planning import plan
    from lowtide.runtime.sweeping import sweep
    from lowtide.series.types import IntensitySeries, PowerSeries, PriceSeries


def __getattr__(name: str) -> Any:
    """Load a verb, a noun or a module the first time it is asked for."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"lowtide.{name}")
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'lowtide' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
