"""An estimate as a picture: what each factor does to the energy, and what the bigger levers would leave."""

from __future__ import annotations

from typing import Any

from lowtide.estimation.ranged import Ranged
from lowtide.reporting.estimates import Estimated
from lowtide.reporting.estimates_plots import picture
from lowtide.reporting.figures import energy

__all__ = ["estimate_plot"]

_BLUE, _ORANGE = "#0072B2", "#D55E00"


def estimate_plot(result: Estimated, *, image_format: str = "png") -> bytes:
    """Return a picture of an estimate: above how far each factor alone moves the energy, below the levers.

    Parameters
    ----------
    result : Estimated
    image_format : {"png", "svg", "pdf"}

    Raises
    ------
    InputError
        If the format is not one of these.
    MissingExtraError
        Without matplotlib.
    """

    def draw(axes: Any) -> None:
        _draw_factors(axes[0], result)
        _draw_levers(axes[1], result)

    return picture(draw, image_format=image_format, n_rows=2, height=5.0)


def _total(result: Estimated) -> Ranged:
    total = result.training.facility_kwh or result.training.node_kwh
    assert total is not None
    return total


def _draw_factors(axes: Any, result: Estimated) -> None:
    total = _total(result)
    parts = [("together", total.value - total.low, total.high - total.value)]
    parts += [(d.source, d.below, d.above) for d in result.training.deviations()]
    for row, (_, below, above) in enumerate(parts):
        axes.barh(row, below + above, left=total.value - below, color=_BLUE, alpha=0.8 if row else 0.4)
    axes.axvline(total.value, color="black", linewidth=1.0)
    axes.set_yticks(range(len(parts)), [name for name, _, _ in parts])
    axes.invert_yaxis()
    of = "node" if result.training.facility_kwh is None else "facility"
    axes.set_xlabel(f"energy of the {of} [kWh]; {energy(total.value)}, 90 % interval of each factor alone")


def _draw_levers(axes: Any, result: Estimated) -> None:
    rows = list(result.levers)
    for row, lever in enumerate(rows):
        axes.barh(row, 100.0 / lever.low, color=_ORANGE, alpha=0.4)
        axes.barh(row, 100.0 / lever.high, color=_ORANGE)
    axes.set_yticks(range(len(rows)), [f"{lever.name} ({lever.m})" for lever in rows])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("left of the energy or carbon by one lever [%], as published: dark best, light least")
