"""``lowtide sweep``: every start of a year at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, say_unused, table
from lowtide.errors import InputError
from lowtide.quantities import parse_duration_s, parse_energy_kwh, parse_power_w, said_of

if TYPE_CHECKING:
    from lowtide.planning.swept import SweepJob


@click.command(epilog="Example: lowtide sweep --duration 6h --duration 24h --slack 24h --slack 50% --zone DE")
@click.option("--duration", "durations", multiple=True, metavar="D", help="How long a job runs; repeatable.")
@click.option("--jobs", metavar="FILE", help="Jobs instead, CSV with name,duration_h,energy_kwh.")
@click.option("--energy", metavar="E", help="What the job draws in all; without it grams are per kWh.")
@click.option("--power", metavar="P", help="What every job draws; without it grams are per kWh.")
@click.option("--slack", "slacks", multiple=True, metavar="D|PCT",
              help="How much later a job may end (24h, or 50% of it); repeatable (default 24h).")  # fmt: skip
@click.option("--policy", "policies", multiple=True, metavar="NAME",
              help="run-now, flexible-start or pause-resume; repeatable (default the last two).")  # fmt: skip
@click.option("--every", metavar="D", help="Time between starts (default: each slot).")
@click.option("--slot", metavar="D",
              help="Runs start and resume only so often (default: at each step of the intensity).")  # fmt: skip
@click.option(
    "--starts-per-month", metavar="N", type=int, help="Draw N starts a month instead of taking all."
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of that draw."
)
@click.option("--edge", type=click.Choice(["drop", "cut"]), default="drop", show_default=True,
              help="Windows that pass the end of the data: leave them out, or cut them there.")  # fmt: skip
@click.option("--pauses/--no-pauses", default=True, help="Count pauses (default), or save the time it takes.")
@click.option("--start", metavar="T", help="Sweep from this instant on (default: all of the data).")
@click.option("--end", metavar="T", help="Sweep up to this instant.")
@click.option("--zone", "zones", multiple=True, metavar="KEY",
              help="A zone, DE or aws:us-west-2; repeatable (default: every zone of the file).")  # fmt: skip
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: typical).")
@click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity.")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the rows as CSV.")
@json_option
def sweep(zones: tuple[str, ...], start: str | None, end: str | None, csv_file: str | None, as_json: bool,
          durations: tuple[str, ...], jobs: str | None, energy: str | None, power: str | None,
          intensity: str | None, provider: str | None, basis: str | None, factors: str | None,
          **how: Any) -> None:  # fmt: skip
    """Say what waiting and pausing would have saved at every start of a year."""
    from lowtide.reporting.sweep import HEADER, sweep_cells, sweep_csv, sweep_notes, swept_words
    from lowtide.runtime import sweeping

    wanted = _jobs(durations, jobs, energy, power)
    config = config_with(intensity=intensity, provider=provider, basis=basis, factors=factors)
    how["with_pauses"] = how.pop("pauses")
    how["slacks"] = how["slacks"] or ("24h",)
    how["policies"] = how["policies"] or ("flexible-start", "pause-resume")
    series = sweeping.intensities_of(config, zones, start=start, end=end)
    say_unused(config, zones)
    result = sweeping.sweep(wanted, series, **how)
    if csv_file is not None:
        from lowtide.stores.codec import write_bytes

        write_bytes(csv_file, sweep_csv(result).encode())
        click.echo(f"lowtide: {len(result.rows)} rows written to {csv_file}", err=True)
    if as_json:
        emit_json(result.to_plain())
        return
    click.echo(swept_words(result))
    click.echo(table(HEADER, sweep_cells(result), right=(4, 5, 6, 7, 8, 9)))
    for note in sweep_notes(result):
        click.echo(note)


def _jobs(
    durations: tuple[str, ...], path: str | None, energy: str | None, power: str | None
) -> list[SweepJob]:
    """Return the jobs that were asked for."""
    from lowtide.planning.swept import SweepJob
    from lowtide.runtime.sweeping import read_jobs

    if (path is None) == (not durations):
        raise InputError("give the jobs once: --duration 24h (repeatable), or --jobs FILE")
    if path is not None:
        if energy is not None or power is not None:
            raise InputError(f"{path} says what its jobs draw; drop --energy and --power")
        return read_jobs(path)
    if energy is not None and power is not None:
        raise InputError("give --energy or --power, not both: one follows from the other and the duration")
    if energy is not None and len(durations) > 1:
        raise InputError("--energy is that of one job; with several give --power, or --jobs FILE")
    jobs = []
    for duration in durations:
        duration_s = said_of("--duration", duration, parse_duration_s)
        kwh = 1.0 if energy is None else said_of("--energy", energy, parse_energy_kwh)
        kwh = kwh if power is None else said_of("--power", power, parse_power_w) * duration_s / 3.6e6
        jobs.append(SweepJob(name=duration.strip(), duration_s=duration_s, energy_kwh=kwh))
    return jobs
