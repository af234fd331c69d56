"""``lowtide estimate``: the footprint of a training before it starts."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import emit_json, intensity_options, json_option, say_unused

_EXAMPLE = "Example: lowtide estimate --gpus 10000xV100 --duration 14.8d --power-per-gpu 330 --pue 1.1 --intensity 429"


@click.command(epilog=_EXAMPLE)
@click.argument("file", required=False)
@click.option(
    "--gpus", metavar="NxNAME", help="Accelerators, like 8xA100; a bare number needs --power-per-gpu."
)
@click.option("--duration", metavar="D", help="Elapsed time, like 14.8d, or a range like 10d..20d.")
@click.option(
    "--power-per-gpu", metavar="W", help="Of each at the node, host and fans included; a range works."
)
@click.option("--params", metavar="N", help="Parameters of the model, like 175e9 or 7B.")
@click.option("--active-params", metavar="N", help="Of a mixture of experts: those that work on one token.")
@click.option("--tokens", metavar="N", help="Tokens seen in training, all epochs, like 300e9.")
@click.option("--flops", metavar="N", help="Arithmetic instead of parameters and tokens.")
@click.option("--mfu", metavar="X", help="Share of the peak that is used, like 0.4 or 0.3..0.5.")
@click.option(
    "--bits", type=int, default=16, show_default=True, help="Precision of the arithmetic: 32, 16 or 8."
)
@click.option("--node-energy", metavar="E", help="Energy that is known already, before PUE, like 1172MWh.")
@click.option("--facility-energy", metavar="E", help="The same after PUE; --pue is then refused.")
@click.option("--start", metavar="T", help="When it starts (default: now), for intensities that vary.")
@click.option("--queries", metavar="N", help="Queries the model will answer.")
@click.option("--energy-per-query", metavar="E", help="Of one query: 0.05Wh, or a task like text-generation.")
@click.option("--embodied", is_flag=True, help="Add the share of the hardware's manufacture.")
@click.option("--embodied-per-gpu", metavar="KG", help="Manufacture of one GPU with its share of the server.")
@click.option("--lifetime-years", metavar="Y", help="Years the hardware is kept.")
@click.option("--utilization", metavar="X", help="Share of those years in which it works.")
@click.option("--reserved", metavar="D", help="Time the hardware is reserved beyond the training.")
@click.option("--per", metavar="N:UNIT", help="SCI per run, token, parameter or flop, like 1e9:token.")
@click.option(
    "--lever", "levers", multiple=True, metavar="NAME[=FACTOR]", help="What if: a lever; repeatable."
)
@click.option("--experiments", metavar="FILE", help="CSV of runs: what the final model's number leaves out.")
@click.option("--draws", type=int, default=0, metavar="N", help="Also draw the factors at random N times.")
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draws."
)
@click.option(
    "--case", metavar="NAME", help="Replay a published case: gpt-3, t5, bloom, strubell, dodge, all."
)
@click.option("--init", metavar="FILE", help="Write a commented input file and stop; - for standard output.")
@click.option("--plot", metavar="FILE", help="A picture of the factors and levers; .png, .svg or .pdf.")
@intensity_options
@json_option
def estimate(
    file: str | None,
    case: str | None,
    init: str | None,
    plot: str | None,
    experiments: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Estimate what a training will take and emit; FILE is a TOML or YAML file of inputs (see --init)."""
    if init is not None:
        _init(init)
    elif case is not None:
        _case(case, as_json)
    elif experiments is not None:
        _experiments(experiments, as_json, options)
    else:
        _estimate(file, plot, as_json, options)


def _init(path: str) -> None:
    from lowtide.errors import InputError
    from lowtide.runtime.estimating_inputs import TEMPLATE, write_template

    if path == "-":
        click.echo(TEMPLATE, nl=False)
        return
    if not path.endswith((".toml", ".yaml", ".yml")):
        raise InputError(
            f"--init {path!r}: name a file that ends in .toml or .yaml, or - for standard output"
        )
    write_template(path)
    click.echo(f"lowtide: wrote {path}; change it, then: lowtide estimate {path}", err=True)


def _case(name: str, as_json: bool) -> None:
    from lowtide.data.cases import find_cases
    from lowtide.estimation.cases import replay
    from lowtide.reporting.estimates_cases import cases_plain, cases_text

    replays = [replay(case) for case in find_cases(name)]
    if as_json:
        emit_json(cases_plain(replays))
    else:
        click.echo(cases_text(replays))


def _estimate(file: str | None, plot: str | None, as_json: bool, options: dict[str, Any]) -> None:
    from lowtide.reporting.estimates import estimate_plain, estimate_text
    from lowtide.runtime.config import load_config
    from lowtide.runtime.estimating import estimate_request
    from lowtide.runtime.estimating_inputs import CONFIG_KEYS, EstimateRequest, merged, read_request

    flags = {name: options.pop(name) for name in CONFIG_KEYS}
    request, settings = (EstimateRequest(), {}) if file is None else read_request(file)
    config = load_config().with_flags({**settings, **{k: v for k, v in flags.items() if v is not None}})
    result = estimate_request(merged(request, options), config)
    say_unused(config)
    if plot is not None:
        from lowtide.reporting.estimates_plot import estimate_plot
        from lowtide.runtime.estimating_inputs import write_picture

        write_picture(plot, lambda form: estimate_plot(result, image_format=form))
    if as_json:
        emit_json(estimate_plain(result))
    else:
        click.echo(estimate_text(result))


def _experiments(path: str, as_json: bool, options: dict[str, Any]) -> None:
    from lowtide.reporting.estimates_experiments import experiments_plain, experiments_text
    from lowtide.runtime.config import load_config
    from lowtide.runtime.estimating_experiments import estimate_experiments
    from lowtide.runtime.estimating_inputs import CONFIG_KEYS

    flags = {name: options[name] for name in CONFIG_KEYS}
    found = estimate_experiments(path, load_config().with_flags(flags), start=options["start"])
    if as_json:
        emit_json(experiments_plain(found))
    else:
        click.echo(experiments_text(found))
