"""``lowtide federated``: training on many devices against training in one place."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import emit_json, json_option, signal_options


@click.command(
    epilog="Example: lowtide federated --clients 10 --rounds 100 --local-time 60s --model-mb 12.5 --download 50 "
    "--upload 10 --idle-power 1W --intensity 400"
)
@click.option("--clients", metavar="N", help="Clients that are all alike.")
@click.option("--clients-file", metavar="FILE", help="Or a CSV of groups: name,clients,local_time_s,device_w,"
              "download_mbit_s,upload_mbit_s, and zone or g_per_kwh.")  # fmt: skip
@click.option("--rounds", required=True, metavar="N", help="Rounds of training.")
@click.option(
    "--share", metavar="X", default="1", show_default=True, help="Share of clients selected in a round."
)
@click.option(
    "--local-time", metavar="D", default="60s", show_default=True, help="Of one client in one round."
)
@click.option("--model-mb", required=True, metavar="MB", help="What travels each way, in MB.")
@click.option("--download", metavar="MBIT", help="Mbit/s of a client's line down.")
@click.option("--upload", metavar="MBIT", help="Mbit/s up.")
@click.option("--device-power", metavar="W", help="While it computes (default: 3 W, a phone).")
@click.option("--router-power", metavar="W", help="While data travel (default: 7.5 W).")
@click.option("--idle-power", metavar="W", default="0", help="Of the device while data travel.")
@click.option("--zone", metavar="KEY", help="Where the clients are.")
@click.option("--intensity", metavar="FILE|G", help="Or a file or constant in g/kWh.")
@signal_options
@click.option("--server-energy", metavar="E", default="0", help="Of aggregation, at the node.")
@click.option("--server-zone", metavar="KEY", help="Where the server and the central training are.")
@click.option("--server-intensity", metavar="FILE|G", help="Or a file or constant in g/kWh.")
@click.option("--pue", metavar="X", help="Of the server alone (default: 1.67 as published).")
@click.option(
    "--central-energy", metavar="E", help="Of the same training in one place, at the node, to compare."
)
@json_option
def federated(as_json: bool, **options: Any) -> None:
    """Estimate a federated training: clients, network and server, each at its own grid."""
    from lowtide.reporting.estimates_federated import federated_plain, federated_text
    from lowtide.runtime.estimating_federated import FederatedRequest, federated_request

    found = federated_request(FederatedRequest(**options))
    if as_json:
        emit_json(federated_plain(found))
    else:
        click.echo(federated_text(found))
