"""``lowtide compare``: the same training under other calculators' assumptions."""

from __future__ import annotations

import click

from lowtide.cli.options import emit_json, json_option, signal_options, table


@click.command(
    epilog="Example: lowtide compare --gpus 8xV100 --duration 100h --cpu-power 300 --memory 256 --zone DE"
)
@click.option("--gpus", required=True, metavar="NxNAME", help="Accelerators, like 8xV100.")
@click.option("--duration", required=True, metavar="D", help="Elapsed time, like 36h.")
@click.option(
    "--load", metavar="X", default="1", show_default=True, help="Mean GPU power over its design power."
)
@click.option(
    "--cpu-power", metavar="W", default="0", help="Design power of all processors, for those who count it."
)
@click.option(
    "--memory", metavar="GB", default="0", help="Memory of all nodes in GB, for those who count it."
)
@click.option("--pue", metavar="X", help="For lowtide's row; the others keep their own.")
@click.option("--zone", metavar="KEY", help="Where: the typical intensity of a zone, for all who take one.")
@click.option("--intensity", metavar="FILE|G", help="Instead of a zone: a file or a constant in g/kWh.")
@signal_options
@json_option
def compare(
    gpus: str,
    duration: str,
    load: str,
    cpu_power: str,
    memory: str,
    pue: str | None,
    zone: str | None,
    intensity: str | None,
    provider: str | None,
    basis: str | None,
    factors: str | None,
    as_json: bool,
) -> None:
    """Show why calculators disagree: the same training under the assumptions of each."""
    from lowtide.reporting.estimates_compare import (
        COMPARE_HEADER,
        compare_cells,
        compare_notes,
        compare_plain,
    )
    from lowtide.runtime.estimating_compare import compare_request

    rows = compare_request(
        gpus, duration, load=load, cpu_power=cpu_power, memory=memory, pue=pue, zone=zone, intensity=intensity,
        signal={"provider": provider, "basis": basis, "factors": factors},
    )  # fmt: skip
    if as_json:
        emit_json(compare_plain(rows))
        return
    click.echo(table(COMPARE_HEADER, compare_cells(rows), right=(1, 2, 3, 4, 5, 6, 7)))
    for note in compare_notes(rows):
        click.echo(note)
