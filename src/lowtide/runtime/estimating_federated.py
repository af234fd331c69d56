"""Federated trainings from what a user typed or a file of clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lowtide.data.constants import constant
from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.estimation.federated import ClientGroup, Federated, federated
from lowtide.estimation.footprint import check_fraction
from lowtide.estimation.ranged import parse_ranged
from lowtide.estimation.request import parse_count
from lowtide.quantities import parse_duration_s, parse_energy_kwh, parse_power_w
from lowtide.runtime.estimating_compare import mean_intensity
from lowtide.runtime.pue import pue_number
from lowtide.runtime.user_table import read_user_table

__all__ = ["FederatedRequest", "federated_request", "read_clients"]

_COLUMNS: Final = (
    "name", "clients", "local_time_s", "device_w", "download_mbit_s", "upload_mbit_s", "zone", "g_per_kwh",
)  # fmt: skip
_YEAR_H: Final = 8760.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedRequest:
    """A federated training as typed."""

    rounds: str
    model_mb: str
    clients: str | None = None
    clients_file: str | None = None
    share: str = "1"
    local_time: str = "60s"
    device_power: str | None = None
    router_power: str | None = None
    idle_power: str = "0"
    download: str | None = None
    upload: str | None = None
    zone: str | None = None
    intensity: str | None = None
    server_energy: str = "0"
    server_zone: str | None = None
    server_intensity: str | None = None
    pue: str | None = None
    central_energy: str | None = None
    provider: str | None = None
    basis: str | None = None
    factors: str | None = None


def _signal(request: FederatedRequest) -> dict[str, str | None]:
    return {"provider": request.provider, "basis": request.basis, "factors": request.factors}


def federated_request(request: FederatedRequest) -> Federated:
    """Return what a federated training draws and emits.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    rounds = parse_count(request.rounds, name="--rounds")
    share = check_fraction("--share", parse_ranged(request.share, name="--share").value)
    if (request.clients is None) == (request.clients_file is None):
        raise InputError("give the clients once: --clients N, or --clients-file FILE")
    if request.clients_file is not None:
        groups = read_clients(request.clients_file, request, rounds * share)
    else:
        groups = [_one_group(request, rounds * share)]
    pue = (
        None
        if request.pue is None
        else parse_ranged(pue_number(request.pue, what="a federated estimate"), name="--pue").value
    )
    return federated(
        groups,
        model_mb=parse_ranged(request.model_mb.upper().removesuffix("MB"), name="--model-mb").value,
        server_kwh=parse_energy_kwh(request.server_energy),
        server_pue=pue,
        server_g_per_kwh=mean_intensity(
            request.server_zone, request.server_intensity, hours=_YEAR_H, signal=_signal(request)
        ),
        central_node_kwh=None if request.central_energy is None else parse_energy_kwh(request.central_energy),
    )


def _one_group(request: FederatedRequest, participations: float) -> ClientGroup:
    n = parse_count(str(request.clients), name="--clients")
    if request.download is None or request.upload is None:
        raise InputError("how fast are the clients' lines? give --download and --upload in Mbit/s")
    return ClientGroup(
        name="clients",
        n_selected=n * participations,
        local_time_s=parse_duration_s(request.local_time),
        device_w=_device_w(request),
        router_w=_router_w(request),
        idle_w=parse_power_w(request.idle_power),
        download_mbit_s=parse_ranged(request.download, name="--download").value,
        upload_mbit_s=parse_ranged(request.upload, name="--upload").value,
        intensity_g_per_kwh=mean_intensity(
            request.zone, request.intensity, hours=_YEAR_H, signal=_signal(request)
        ),
    )


def _device_w(request: FederatedRequest) -> float:
    given = request.device_power
    return constant("device_power_w").value if given is None else parse_power_w(given)


def _router_w(request: FederatedRequest) -> float:
    given = request.router_power
    return constant("router_power_w").value if given is None else parse_power_w(given)


def read_clients(path: str, request: FederatedRequest, participations: float) -> list[ClientGroup]:
    """Return the groups of a CSV file, a row a group of clients that are alike.

    Columns ``name,clients,local_time_s,device_w,download_mbit_s,upload_mbit_s`` and ``zone`` or ``g_per_kwh``;
    an empty ``device_w`` is that of the options.

    Raises
    ------
    DataFileError
        With the line.
    """
    groups = []
    for line, row in read_user_table(path, _COLUMNS, needs=_COLUMNS[:6]):
        try:
            groups.append(_read_group(row, request, participations))
        except InputError as error:
            raise DataFileError(str(error), path=path, line=line) from error
    return groups


def _read_group(row: Mapping[str, str], request: FederatedRequest, participations: float) -> ClientGroup:
    def number(name: str) -> float:
        try:
            return float(row[name])
        except ValueError as error:
            raise QuantityError(f"{name} is {row[name]!r}, which is no number") from error

    zone, given = row["zone"] or None, row["g_per_kwh"] or None
    if zone and given:
        raise InputError("give zone or g_per_kwh, not both")
    return ClientGroup(
        name=row["name"],
        n_selected=number("clients") * participations,
        local_time_s=number("local_time_s"),
        device_w=number("device_w") if row["device_w"] else _device_w(request),
        router_w=_router_w(request),
        idle_w=parse_power_w(request.idle_power),
        download_mbit_s=number("download_mbit_s"),
        upload_mbit_s=number("upload_mbit_s"),
        intensity_g_per_kwh=mean_intensity(zone, given, hours=_YEAR_H, signal=_signal(request)),
    )
