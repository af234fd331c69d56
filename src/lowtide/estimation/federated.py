"""Training on many devices: what clients compute, what the network carries, what the server adds.

``T = sum of selected clients' time x device power``; ``C = sum of S (1/D + 1/U) (router + idle)`` with S the size
of the model in Mbit and D, U the speeds in Mbit/s; each client's energy at its own grid. PUE is for the server
alone: a phone has no data centre around it. Structure after Qiu et al. 2021 (arXiv 2102.07627), as code that
follows it has it, for the paper itself was not read; defaults of device and router from Wu et al. 2022
(arXiv 2111.00364), appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lowtide.accounting.overhead import check_pue
from lowtide.data.constants import constant
from lowtide.errors import InputError
from lowtide.estimation.footprint import check_positive, grams_of
from lowtide.units import J_PER_KWH

__all__ = ["ClientGroup", "Federated", "GroupEnergy", "federated"]

_MBIT_PER_MB = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientGroup:
    """Clients that are alike.

    Attributes
    ----------
    name : str
    n_selected : float
        How often one of them takes part in a round, over all rounds: clients x rounds x share selected.
    local_time_s : float
        Of one participation [s].
    device_w, router_w, idle_w : float
        Power while computing; of the router, and of the waiting device, while data travel [W].
    download_mbit_s, upload_mbit_s : float
    intensity_g_per_kwh : float or None
        Where they are; None is unknown.
    """

    name: str
    n_selected: float
    local_time_s: float
    device_w: float
    router_w: float
    idle_w: float
    download_mbit_s: float
    upload_mbit_s: float
    intensity_g_per_kwh: float | None = None

    def __post_init__(self) -> None:
        for name in ("n_selected", "download_mbit_s", "upload_mbit_s"):
            check_positive(f"{name} of {self.name}", getattr(self, name))
        for name in ("local_time_s", "device_w", "router_w", "idle_w"):
            check_positive(f"{name} of {self.name}", getattr(self, name), allow_zero=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEnergy:
    """What one group draws and emits."""

    name: str
    compute_kwh: float
    network_kwh: float
    emissions_g: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated:
    """A federated training beside a central one.

    Attributes
    ----------
    groups : tuple of GroupEnergy
    compute_kwh, network_kwh, server_kwh : float
        Of all clients; the server's after PUE.
    emissions_g : float or None
        None when an intensity is unknown.
    dominant : {"computation", "communication", "server"}
    central_kwh : float or None
        After PUE.
    central_g : float or None
    """

    groups: tuple[GroupEnergy, ...]
    compute_kwh: float
    network_kwh: float
    server_kwh: float
    emissions_g: float | None
    dominant: Literal["computation", "communication", "server"]
    central_kwh: float | None
    central_g: float | None

    @property
    def total_kwh(self) -> float:
        """Clients, network and server [kWh]."""
        return self.compute_kwh + self.network_kwh + self.server_kwh


def federated(
    groups: Sequence[ClientGroup],
    *,
    model_mb: float,
    server_kwh: float = 0.0,
    server_pue: float | None = None,
    server_g_per_kwh: float | None = None,
    central_node_kwh: float | None = None,
) -> Federated:
    """Return what a federated training draws and emits, and the same work in one place.

    Parameters
    ----------
    groups : sequence of ClientGroup
    model_mb : float
        What travels each way in a round [MB of 10^6 bytes].
    server_kwh : float
        Of aggregation, at the node.
    server_pue : float, optional
        Without it the published default, which applies to server and central training alone.
    server_g_per_kwh : float, optional
    central_node_kwh : float, optional
        Of the same training in the server's place, at the node.

    Raises
    ------
    InputError
        Without clients, or for values that cannot be.

    Examples
    --------
    >>> group = ClientGroup(name="phones", n_selected=1000, local_time_s=60.0, device_w=3.0, router_w=7.5,
    ...                     idle_w=1.0, download_mbit_s=50.0, upload_mbit_s=10.0, intensity_g_per_kwh=400.0)
    >>> found = federated([group], model_mb=12.5)
    >>> round(found.compute_kwh, 5), round(found.network_kwh, 5), round(found.emissions_g, 1), found.dominant
    (0.05, 0.02833, 31.3, 'computation')
    """
    if not groups:
        raise InputError("there are no clients; give at least one group")
    check_positive("model_mb", model_mb)
    check_positive("server_kwh", server_kwh, allow_zero=True)
    pue = constant("pue_federated_server").value if server_pue is None else check_pue(server_pue)
    found = tuple(_group(group, model_mb * _MBIT_PER_MB) for group in groups)
    compute = sum(group.compute_kwh for group in found)
    network = sum(group.network_kwh for group in found)
    server = server_kwh * pue
    server_g = None if server_g_per_kwh is None else grams_of(server, server_g_per_kwh)
    parts: list[tuple[float, Literal["computation", "communication", "server"]]] = [
        (compute, "computation"), (network, "communication"), (server, "server"),
    ]  # fmt: skip
    central = None if central_node_kwh is None else check_positive("central energy", central_node_kwh) * pue
    return Federated(
        groups=found,
        compute_kwh=compute,
        network_kwh=network,
        server_kwh=server,
        emissions_g=_sum_g(found, 0.0 if not server else server_g),
        dominant=max(parts, key=lambda part: part[0])[1],
        central_kwh=central,
        central_g=None
        if central is None or server_g_per_kwh is None
        else grams_of(central, server_g_per_kwh),
    )


def _group(group: ClientGroup, size_mbit: float) -> GroupEnergy:
    compute_j = group.n_selected * group.local_time_s * group.device_w
    travel_s = size_mbit * (1.0 / group.download_mbit_s + 1.0 / group.upload_mbit_s)
    network_j = group.n_selected * travel_s * (group.router_w + group.idle_w)
    kwh = (compute_j + network_j) / J_PER_KWH
    g = group.intensity_g_per_kwh
    return GroupEnergy(
        name=group.name,
        compute_kwh=compute_j / J_PER_KWH,
        network_kwh=network_j / J_PER_KWH,
        emissions_g=None if g is None else grams_of(kwh, g),
    )


def _sum_g(groups: Sequence[GroupEnergy], server_g: float | None) -> float | None:
    total = server_g
    for group in groups:
        if total is None or group.emissions_g is None:
            return None
        total += group.emissions_g
    return total
