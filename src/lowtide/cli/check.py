"""``lowtide check``: what cannot be true of a claimed footprint."""

from __future__ import annotations

import click

from lowtide.cli.options import emit_json, json_option
from lowtide.estimation.claims import KEYS


def _claim_options(function: click.decorators.FC) -> click.decorators.FC:
    for key, example in reversed(KEYS.items()):
        name, text = f"--{key.replace('_', '-')}", f"As printed, like {example}."
        function = click.option(name, key, metavar="X", help=text)(function)
    return function


@click.command(
    epilog="Example: lowtide check --gpus 10000xV100 --duration 14.8d --energy 1287MWh --emissions 552.1t"
)
@click.argument("file", required=False)
@_claim_options
@json_option
def check(file: str | None, as_json: bool, **options: str | None) -> int:
    """Say what cannot be true of a claimed footprint: FILE (a model card, YAML, TOML, JSON, or -) or options.

    It ends with 1 when something is impossible.
    """
    from lowtide.estimation.checking import check_claim
    from lowtide.reporting.estimates_check import check_plain, check_text
    from lowtide.runtime.estimating_claims import read_claim

    claim = read_claim(file, options)
    findings = check_claim(claim)
    if as_json:
        emit_json(check_plain(claim, findings))
    else:
        click.echo(check_text(claim, findings))
    return 1 if findings[0].severity == "impossible" else 0
