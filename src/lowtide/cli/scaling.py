"""``lowtide scaling``: what a smaller error costs, and which runs were worth it."""

from __future__ import annotations

import click

from lowtide.cli.options import closed_ledger, config_with, emit_json, json_option, ledger_option
from lowtide.errors import InputError


@click.command(
    epilog="Example: lowtide scaling --published imagenet-2020 --error 10% --target 5% --emissions 1kg"
)
@click.option("--runs", "path", metavar="FILE",
              help="CSV of runs: name, score or error, energy_kwh or flops, emissions_g.")  # fmt: skip
@click.option("--metric", metavar="TAG", help="Or runs of the ledger with that tag, like accuracy.")
@click.option("--name", metavar="NAME", help="With --metric: only runs of that name.")
@click.option("--published", metavar="NAME", help="Use a published exponent, like imagenet-2020.")
@click.option("--error", metavar="X", help="From this error, like 10% ...")
@click.option("--target", metavar="X", help="... to that one.")
@click.option("--emissions", metavar="G", help="What the first error took, like 5kg.")
@click.option("--budget", metavar="G", help="Carbon budget of the sweep: how many more runs fit.")
@click.option("--plot", metavar="FILE", help="A picture of score against grams; .png, .svg or .pdf.")
@json_option
@ledger_option
def scaling(
    path: str | None,
    metric: str | None,
    name: str | None,
    published: str | None,
    error: str | None,
    target: str | None,
    emissions: str | None,
    budget: str | None,
    plot: str | None,
    as_json: bool,
    ledger: str | None,
) -> None:
    """Fit compute against error on your runs, show the front of score and grams, and what halving costs."""
    from lowtide.reporting.estimates_scaling import scaling_plain, scaling_text
    from lowtide.runtime.estimating_scaling import ScoredRun, read_runs, runs_of_ledger, scaling_request

    if path is not None and metric is not None:
        raise InputError("give the runs once: --runs FILE, or --metric TAG for the ledger")
    runs: list[ScoredRun] = []
    if path is not None:
        runs = read_runs(path)
    elif metric is not None:
        runs = runs_of_ledger(closed_ledger(config_with(ledger=ledger)), metric=metric, name=name)
    result = scaling_request(
        runs, published=published, error=error, target=target, emissions=emissions, budget=budget
    )
    if plot is not None:
        from lowtide.reporting.estimates_plots import runs_plot
        from lowtide.runtime.estimating_inputs import write_picture

        drawn = result.trained, result.front, result.curve
        write_picture(plot, lambda form: runs_plot(*drawn, image_format=form))
    if as_json:
        emit_json(scaling_plain(result))
    else:
        click.echo(scaling_text(result))
