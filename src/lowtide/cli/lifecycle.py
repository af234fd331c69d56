"""``lowtide lifecycle``: training, queries, hardware and water over a model's life."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, intensity_options, json_option


@click.command(
    epilog="Example: lowtide lifecycle --training-energy 51686kWh --fine-tuning-energy 7571kWh --energy-per-query 0.1Wh"
)
@click.option(
    "--training-energy", required=True, metavar="E", help="Of the training at the node, like 51686kWh."
)
@click.option("--fine-tuning-energy", metavar="E", help="Of this model's fine-tuning.")
@click.option("--uses", metavar="N", default="1", show_default=True, help="Models that share the training.")
@click.option("--queries", metavar="N", help="Queries over the model's life.")
@click.option("--energy-per-query", metavar="E", help="Of one query: 0.1Wh, or a task like text-generation.")
@click.option("--gpu-hours", metavar="N", help="Show the embodied share under published denominators.")
@click.option("--wue-on-site", metavar="X", help="Litres of cooling water for each kWh of the facility.")
@click.option("--wue-off-site", metavar="X", help="Litres of the power plants for each kWh.")
@click.option("--start", metavar="T", help="When its year begins (default: now), for intensities that vary.")
@intensity_options
@json_option
def lifecycle(as_json: bool, **options: Any) -> None:
    """Say what a model takes over its life, and after how many queries serving outweighs training."""
    from lowtide.reporting.estimates_lifecycle import lifecycle_plain, lifecycle_text
    from lowtide.runtime.estimating_inputs import CONFIG_KEYS
    from lowtide.runtime.estimating_lifecycle import LifecycleRequest, lifecycle_request

    flags = {name: options.pop(name) for name in CONFIG_KEYS}
    result = lifecycle_request(LifecycleRequest(**options), config_with(**flags))
    if as_json:
        emit_json(lifecycle_plain(result))
    else:
        click.echo(lifecycle_text(result))
