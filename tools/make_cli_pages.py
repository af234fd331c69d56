"""Write ``docs/reference/cli/``, a page a command, from the commands themselves.

    python tools/make_cli_pages.py          writes the pages
    python tools/make_cli_pages.py --check  says which are stale, and exits 1 if any is

Pages are made from the options' own data, not from the text of ``--help``, so that they do not change with the
version of click.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from lowtide.cli.main import COMMANDS, cli

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli"
NOTE = "<!-- written by tools/make_cli_pages.py from the command itself; do not edit -->"
DONE = ("0", "done")
MISTAKE = ("1", "a mistake in a value: the message says what failed, the value, and what would work")
USAGE = ("2", "wrong usage")
EXIT_CODES = {
    "run": (
        ("any", "COMMAND's own"),
        ("125", "lowtide refused before COMMAND started"),
        ("126", "COMMAND cannot be executed"),
        ("127", "COMMAND was not found"),
        ("128 + n", "signal n killed COMMAND"),
        USAGE,
    ),
    "agent": (DONE, ("1", "a mistake in a value, or an action on a job that failed"), USAGE),
    "check": (DONE, ("1", "the claim is impossible, or a mistake in a value"), USAGE),
    "submit": (DONE, ("1", "a mistake in a value, or an action on a job that failed"), USAGE),
    "verify": (DONE, ("1", "the bill does not hold, or a mistake in a value"), USAGE),
    "reprice": (DONE, ("1", "a mistake in a value, or a run that could not be accounted again"), USAGE),
}
"""Exit codes of commands that differ from the rest."""


def walk(names: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield a command, or all commands of a group, with the words that call them."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk((*names, name), inner)
    else:
        yield names, command


def commands() -> dict[tuple[str, ...], click.Command]:
    """Return every command that can be called, by its words: ``("grid", "zones")``."""
    return dict(walk((), cli))


def file_name(names: tuple[str, ...]) -> str:
    """Return the name of a command's page."""
    return f"{'-'.join(names)}.md"


def example_of(command: click.Command) -> str:
    """Return the example at the end of a command's help."""
    return (command.epilog or "").removeprefix("\b\n").removeprefix("Example: ")


def _argument(parameter: click.Parameter) -> str:
    name = (parameter.metavar or parameter.name or "").upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(option: click.Option) -> str:
    """Return a row of the table of options."""
    words = ", ".join(f"`{word}`" for word in option.opts)
    if not option.is_flag:
        kind = option.type
        value = "|".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else option.metavar
        value = value or {"integer": "N", "file": "FILE"}.get(kind.name, kind.name.upper())
        words += f" `{value}`".replace("|", "\\|")
    text = (option.help or "").replace("|", "\\|")
    if option.show_default and not option.is_flag:
        text = f"{text} Default: `{option.default}`.".strip()
    if option.multiple and "repeatable" not in text:
        text += " Repeatable."
    return f"| {words} | {text} |"


def page(names: tuple[str, ...], command: click.Command) -> str:
    """Return a command's page."""
    usage = " ".join(["lowtide", *names, "[OPTIONS]"])
    arguments = [_argument(p) for p in command.params if isinstance(p, click.Argument)]
    dashes = ["--"] if names == ("run",) else []
    options = [_option(p) for p in command.params if isinstance(p, click.Option)]
    codes = EXIT_CODES.get(" ".join(names), (DONE, MISTAKE, USAGE))
    return "\n".join(
        [
            NOTE,
            f"# lowtide {' '.join(names)}",
            "",
            f"    {' '.join([usage, *dashes, *arguments])}",
            "",
            cleandoc(command.help or ""),
            "",
            "Example:",
            "",
            *(f"    {line}" for line in example_of(command).splitlines()),
            "",
            "| option | meaning |",
            "|---|---|",
            *options,
            "| `-h`, `--help` | Show the help with this example. |",
            "",
            "| exit code | meaning |",
            "|---|---|",
            *(f"| {code} | {meaning} |" for code, meaning in codes),
            "",
            "All commands: [README.md](README.md). Exit codes: [exit-codes.md](../exit-codes.md).",
            "",
        ]
    )


def index() -> str:
    """Return the page that lists all commands by group."""
    lines = [
        NOTE,
        "# Commands",
        "",
        "`lowtide --help` shows the same groups; `-h` after a command shows its options.",
        "",
    ]
    for title, group in COMMANDS.items():
        lines += [f"## {title}", "", "| command | what it does |", "|---|---|"]
        for name, (_, meaning) in group.items():
            links = [f"[{' '.join(n)}]({file_name(n)})" for n in commands() if n[0] == name]
            lines.append(f"| {', '.join(links)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return all pages by file name."""
    return {"README.md": index()} | {file_name(n): page(n, command) for n, command in commands().items()}


def stale() -> list[str]:
    """Return the pages whose file is missing, differs, or belongs to no command."""
    wanted = pages()
    kept = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    return sorted(name for name in {*wanted, *kept} if wanted.get(name) != kept.get(name))


def write() -> None:
    """Write all pages and remove those of commands that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description="Write docs/reference/cli/ from the commands.")
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    if not parser.parse_args().check:
        write()
        return 0
    names = stale()
    if names:
        print(f"stale in docs/reference/cli: {', '.join(names)}; run python tools/make_cli_pages.py")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
