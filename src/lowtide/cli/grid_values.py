"""``lowtide grid now`` and ``lowtide grid history``: intensity from providers and the cache."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.grid_options import grid_options, say_problems, settings, window_options
from lowtide.cli.options import emit_json, json_option
from lowtide.quantities import format_duration, format_instant

__all__ = ["history", "now"]


@click.command(epilog="Example: lowtide grid now --zone DE")
@click.option("--zone", metavar="KEY", help="Which zone (default: the configured one).")
@grid_options
@json_option
def now(as_json: bool, **flags: Any) -> None:
    """Show the newest intensity of a zone, its status and whose it is."""
    from lowtide.reporting.grid_values import signal_plain
    from lowtide.runtime.grid_access import grid_access
    from lowtide.runtime.grid_values import value_now, zone_asked

    config = settings(**flags)
    zone, basis, factors = zone_asked(config)
    with grid_access(config) as access:
        found = value_now(access, zone, basis=basis, factors=factors)
        age_s = (access.now_ns() - found.start_ns) / 1e9
    say_problems(found.problems)
    if as_json:
        step = {"start": format_instant(found.start_ns), "end": format_instant(found.end_ns)}
        rest = {"g_per_kwh": found.g_per_kwh, "status": found.status, "provider": found.provider}
        emit_json({**step, **rest, **signal_plain(found.signal), "problems": list(found.problems)})
        return
    signal = found.signal
    ago = f"{format_duration(max(age_s, 0.0))} ago"
    click.echo(f"{zone}: {found.g_per_kwh:.0f} g/kWh ({found.status}) for the step from "
               f"{format_instant(found.start_ns)[:16]}Z, begun {ago}")  # fmt: skip
    click.echo(
        f"{signal.basis} intensity, {signal.factors} factors, {signal.flow} flow; source: {signal.source}"
    )


@click.command(epilog="Example: lowtide grid history --zone DE --last 48h")
@click.option(
    "--zone",
    "zones",
    metavar="KEY",
    multiple=True,
    help="Which zone (default: the configured one).",
)
@window_options
@grid_options
@click.option("--plot", metavar="FILE", help="Draw it into FILE.png or FILE.svg.")
@json_option
def history(zones: tuple[str, ...], start: str | None, end: str | None, last: str | None, as_of: str | None,
            plot: str | None, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Show the intensity of a zone over time, with a chart; what stood in where a source failed is said."""
    from lowtide.reporting.grid_values import series_plain, series_text
    from lowtide.reporting.plots import intensity_plot, plot_form
    from lowtide.runtime.grid_access import grid_access
    from lowtide.runtime.grid_values import history as history_of
    from lowtide.runtime.grid_values import window_of, write_whole, zone_asked

    form = None if plot is None else plot_form(plot)
    found = {}
    for asked in zones or (None,):
        config = settings(zone=asked, **flags)
        zone, basis, factors = zone_asked(config)
        with grid_access(config) as access:
            window = window_of(start, end, last, now_ns=access.now_ns())
            found[zone] = history_of(access, zone, window, basis=basis, factors=factors, as_of=as_of)
    if plot is not None and form is not None:
        write_whole(plot, intensity_plot({zone: one.intensity for zone, one in found.items()}, form=form))
        click.echo(f"lowtide: drawn into {plot}", err=True)
    for one in found.values():
        say_problems(one.problems)
    if as_json:
        emit_json({"series": [{
            **series_plain(one.intensity), "provider": one.provider, "notes": list(one.notes),
            "problems": list(one.problems),
            "stand_ins": [{"kind": s.kind, "hours": s.hours, "what": s.what} for s in one.stand_ins],
        } for one in found.values()]})  # fmt: skip
        return
    click.echo("\n\n".join(series_text(one.intensity, notes=one.notes) for one in found.values()))
