"""A federated training, as JSON and in a terminal."""

from __future__ import annotations

from typing import Any

from lowtide.estimation.federated import Federated
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import energy, grams, percent, plain_number

__all__ = ["federated_plain", "federated_text"]


def federated_plain(found: Federated) -> dict[str, Any]:
    """Return the JSON of ``lowtide federated``."""
    plain: dict[str, Any] = plain_of(found)
    return {"total_kwh": found.total_kwh, **plain}


def federated_text(found: Federated) -> str:
    """Return a federated training: its terms, which dominates, and the same in one place."""
    lines = []
    for label, kwh in (("clients compute", found.compute_kwh), ("network", found.network_kwh),
                       ("server with PUE", found.server_kwh)):  # fmt: skip
        if kwh:
            lines.append(f"{label:<16}{energy(kwh):>10}  {percent(kwh / found.total_kwh)}")
    lines.append(f"{'energy':<16}{energy(found.total_kwh):>10}; {found.dominant} dominates")
    if found.emissions_g is None:
        lines.append(
            f"{'carbon':<16}unknown: say where the clients are (--zone), and the server (--server-zone)"
        )
    else:
        lines.append(
            f"{'carbon':<16}{grams(found.emissions_g):>10}, each client at its own grid, no PUE on them"
        )
    if len(found.groups) > 1:
        for group in found.groups:
            g = "unknown" if group.emissions_g is None else grams(group.emissions_g)
            lines.append(f"  {group.name:<14}{energy(group.compute_kwh + group.network_kwh):>10}  {g}")
    return "\n".join([*lines, *_central_lines(found)])


def _central_lines(found: Federated) -> list[str]:
    if found.central_kwh is None:
        return []
    words = f"{energy(found.central_kwh)} with PUE"
    if found.central_g is not None:
        words += f", {grams(found.central_g)}"
    lines = [f"{'in one place':<16}{words}"]
    if found.central_g and found.emissions_g is not None:
        ratio = found.emissions_g / found.central_g
        lines.append(f"{'':<16}federated emits {plain_number(ratio)} times as much")
    return lines
