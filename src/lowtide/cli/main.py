"""``lowtide``: the commands, loaded when called, and what becomes of their errors."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import click

from lowtide import __version__
from lowtide.errors import LowtideError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Every day": {
        "run": ("lowtide.cli.run:run", "run a command, record its power, book its carbon"),
        "submit": (
            "lowtide.cli.submit:submit",
            "hand a job to Slurm, Kubernetes or Ray when it emits least",
        ),
        "show": ("lowtide.cli.runs:show", "one run with its energy, carbon and where they come from"),
        "runs": ("lowtide.cli.runs:runs", "the runs of the ledger"),
        "report": ("lowtide.cli.report:report", "a statement for a paper, a model card, a colleague"),
        "plan": ("lowtide.cli.plan:plan", "when, where and how hard to run a job so that it emits least"),
        "estimate": ("lowtide.cli.estimate:estimate", "what a training will take, before it starts"),
        "grid": ("lowtide.cli.grid:grid", "zones and their intensity"),
        "doctor": ("lowtide.cli.doctor:doctor", "which sensors work here and how to get better ones"),
    },
    "Plan": {
        "agent": ("lowtide.cli.agent:agent", "one controller for all submitted jobs"),
        "sweep": ("lowtide.cli.sweep:sweep", "what waiting would have saved at every start of a year"),
    },
    "Measure": {
        "attach": ("lowtide.cli.attach:attach", "record a process that is already running"),
        "record": ("lowtide.cli.record:record", "record a whole machine, and cut runs out of it afterwards"),
    },
    "Estimates": {
        "check": ("lowtide.cli.check:check", "what cannot be true of a claimed footprint"),
        "compare": ("lowtide.cli.compare:compare", "the same training under other calculators' assumptions"),
        "levers": ("lowtide.cli.levers:levers", "what would lower it, by how much, and at what price"),
        "lifecycle": (
            "lowtide.cli.lifecycle:lifecycle",
            "training, queries, hardware and water over a model's life",
        ),
        "federated": (
            "lowtide.cli.federated:federated",
            "training on many devices against training in one place",
        ),
        "scaling": (
            "lowtide.cli.scaling:scaling",
            "what a smaller error costs, and which runs were worth it",
        ),
    },
    "Accounts": {
        "account": ("lowtide.cli.account:account", "bill a power log that already exists"),
        "import": ("lowtide.cli.importing:importing", "runs of past Slurm jobs, from sacct"),
        "reprice": ("lowtide.cli.account:reprice", "account stored runs again"),
        "verify": ("lowtide.cli.runs:verify", "recompute a bill from the raw readings"),
        "export": ("lowtide.cli.runs:export", "a run's power and bill as a file"),
    },
    "Set-up": {
        "config": ("lowtide.cli.config:config", "settings in force and where they come from"),
    },
}
"""Commands by group: where each lives, and what it does in a line."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for group in COMMANDS.values():
            if cmd_name in group:
                module, _, attribute = group[cmd_name][0].partition(":")
                command: click.Command = getattr(import_module(module), attribute)
                return command
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from lowtide.errors import near_matches

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            hint = near_matches(args[0], self.list_commands(ctx))
            ctx.fail(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, group in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in group.items()])


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Try: lowtide run --zone DE -- python train.py",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Train when the carbon is low: measure, account, and say what would have emitted less."""


def main() -> None:
    """Run the command line; exit 0 done, 1 a mistake in a value, 2 wrong usage."""
    try:
        status = cli.main(prog_name="lowtide", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except LowtideError as error:
        click.echo(f"lowtide: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has had enough
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)
