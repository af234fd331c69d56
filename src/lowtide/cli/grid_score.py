"""``lowtide grid forecast`` and ``lowtide grid score``: intensity to come, and what forecasts are worth."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, table
from lowtide.errors import InputError

__all__ = ["forecast", "score"]


@click.command(
    epilog="\b\nExample: lowtide grid export year.csv --zone DE --last 365d &&\n"
    "  lowtide grid forecast --history year.csv --horizon 24h"
)
@click.option("--zone", metavar="KEY", help="A zone of the file; not needed where it has one.")
@click.option("--history", metavar="FILE", required=True, help="The past, a CSV or Parquet file.")
@click.option("--horizon", metavar="D", default="48h", show_default=True, help="How far to look.")
@click.option("--method", metavar="NAME", default="auto", show_default=True,
              help="persistence-day, persistence-week, climatology, blend, or auto: the best of late.")  # fmt: skip
@click.option(
    "--now", metavar="T", help="When it is made; nothing stamped later is read (default: the history's end)."
)
@click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity.")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@json_option
def forecast(zone: str | None, history: str, basis: str | None, factors: str | None, as_json: bool,
             **how: Any) -> None:  # fmt: skip
    """Say what the intensity of the coming hours will be, and how sure that is."""
    from lowtide.reporting.scores import FORECAST_HEADER, forecast_cells, forecast_plain
    from lowtide.reporting.wording import minute
    from lowtide.runtime.forecasting import make_forecast

    made = make_forecast(_history(zone, history, basis, factors), **how)
    found = made.forecast
    if as_json:
        emit_json(
            forecast_plain(found, made.words, dict(made.chosen.errors_g_per_kwh) if made.chosen else {})
        )
        return
    signal = found.intensity.signal
    click.echo(f"{signal.zone or 'unnamed zone'}: {signal.basis} intensity, {signal.factors} factors; "
               f"made at {minute(found.issued_ns)} from {history}")  # fmt: skip
    click.echo(f"Method {made.words}.")
    click.echo(table(FORECAST_HEADER, forecast_cells(found), right=(1, 2)))
    for note in found.notes:
        click.echo(f"Note: {note}.")


@click.command(
    epilog="\b\nExample: lowtide grid export year.csv --zone DE --last 365d &&\n"
    "  lowtide grid score --intensity year.csv --duration 6h --slack 24h"
)
@click.option("--zone", metavar="KEY", help="A zone of the file; not needed where it has one.")
@click.option("--intensity", metavar="FILE", help="The truth, a CSV or Parquet file of the past.")
@click.option("--forecast", "forecasts", metavar="FILE",
              help="A provider's own forecasts: issue_utc,ts_utc,forecast rows, or a forecast column.")  # fmt: skip
@click.option("--column", metavar="NAME", help="The column of that file, where it has several.")
@click.option("--duration", metavar="D", default="6h", show_default=True, help="How long the job runs.")
@click.option("--slack", metavar="D|PCT", default="24h", show_default=True, help="How much later it may end.")
@click.option("--policy", metavar="NAME", default="flexible-start", show_default=True,
              help="flexible-start, pause-resume or run-now.")  # fmt: skip
@click.option("--method", "methods", multiple=True, metavar="NAME",
              help="persistence-day, persistence-week, climatology, blend; repeatable (default all).")  # fmt: skip
@click.option(
    "--start", metavar="T", help="Judge starts from this instant on (default: 98 days into the data)."
)
@click.option("--end", metavar="T", help="Judge up to this instant.")
@click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity.")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@json_option
def score(zone: str | None, intensity: str | None, forecasts: str | None, column: str | None,
          basis: str | None, factors: str | None, as_json: bool, **how: Any) -> None:  # fmt: skip
    """Say which forecast is worth planning with: what a job saves with each, and how far each is off."""
    from lowtide.reporting.scores import SCORE_HEADER, history_words, scores_cells, scores_plain, scores_words
    from lowtide.runtime.issued import read_forecasts
    from lowtide.runtime.scoring import score_history

    config = config_with(intensity=intensity)
    found = config.get("intensity")
    if found is None:
        raise InputError("no past to judge forecasts on; give --intensity FILE")
    series = _history(zone, found.value, basis, factors)
    provider = None
    if forecasts is not None:
        wanted, signal = factors or series.signal.factors, series.signal
        provider = read_forecasts(
            forecasts, zone=zone or signal.zone, basis=signal.basis, factors=wanted, column=column
        )
    report = score_history(series, provider=provider, **how)
    if as_json:
        emit_json(scores_plain(report.regret, report.scores, report.gates, report.history))
        return
    click.echo(history_words(report.history))
    click.echo(f"{report.regret.asked.words}")
    click.echo(
        table(SCORE_HEADER, scores_cells(report.regret, report.scores), right=(1, 2, 3, 4, 5, 7, 8, 9, 10))
    )
    for note in scores_words(report.regret, report.gates, basis=report.history.signal.basis):
        click.echo(note)


def _history(zone: str | None, path: str, basis: str | None, factors: str | None) -> Any:
    """Return the past of a file, its words checked as everywhere."""
    from lowtide.runtime.forecasting import read_history
    from lowtide.runtime.prepare import grid_choice

    choice = grid_choice(config_with(zone=zone, intensity=path, basis=basis, factors=factors))
    return read_history(path, zone=choice.zone, basis=choice.basis, factors=choice.factors)
