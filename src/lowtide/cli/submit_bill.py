"""``lowtide submit --bill JOB``: what a job of Slurm came to, all of its starts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lowtide.cli.options import emit_json

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["show_bill"]


def show_bill(ledger: Ledger, label: str, *, as_json: bool) -> int:
    """Print the bill of a job.

    Raises
    ------
    LowtideError
        If it cannot be made.
    """
    from lowtide.reporting.plan_text import plan_lines
    from lowtide.runtime.submitting_bill import bill_job, bill_plain

    bill = bill_job(ledger, label)
    if as_json:
        emit_json(bill_plain(bill))
        return 0
    grams = "carbon unknown" if bill.emissions_g is None else f"{bill.emissions_g:.4g} g CO2e"
    starts = f"{bill.n_goes} start{'s' * (bill.n_goes != 1)}"
    click.echo(f"job {label}: {starts}, {bill.energy_kwh:.4g} kWh at the node, {grams}")
    for line in plan_lines(bill.plan):
        click.echo(line)
    for run_id in bill.run_ids:
        click.echo(f"  {run_id}")
    for line in _own_figure(label):
        click.echo(line)
    return 0


def _own_figure(label: str) -> list[str]:
    """Return what Slurm's accounting says of a job's energy, in words; nothing where there is no Slurm here."""
    import shutil

    from lowtide.errors import ExecutorError
    from lowtide.executors.slurm import Slurm
    from lowtide.units import J_PER_KWH

    if shutil.which("sacct") is None:
        return []
    try:
        known = [go.consumed_j for go in Slurm().past(label) if go.consumed_j]
    except ExecutorError as error:
        return [f"Slurm's own figure is not known: {error}"]
    if not known:
        return []
    kwh = sum(known) / J_PER_KWH
    return [
        f"Slurm's ConsumedEnergy: {kwh:.4g} kWh, not billed: of shared nodes it is the whole, stops included"
    ]
