"""The documentation is complete and true: commands, public names, doors, formats, links and examples."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import lowtide
from lowtide import doors
from lowtide.cli.main import COMMANDS
from lowtide.plugins import GROUPS
from lowtide.reporting.formats import FORMATS
from lowtide.runtime.config import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("changelog.d/*.md")])
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(lowtide.__path__, "lowtide.")
    if not any(part.startswith("_") for part in module.name.split("."))
)


def load_tool(name: str) -> ModuleType:
    """Return a script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


cli_pages = load_tool("make_cli_pages")
CALLS = cli_pages.commands()


def page_id(path: Path) -> str:
    """Return a page's path as the name of a test."""
    return str(path.relative_to(ROOT))


# Commands


def test_pages_of_commands_are_not_stale() -> None:
    assert cli_pages.stale() == [], "run python tools/make_cli_pages.py"


def test_every_command_has_a_page() -> None:
    assert {words[0] for words in CALLS} == {name for group in COMMANDS.values() for name in group}
    missing = [
        " ".join(words) for words in CALLS if not (REFERENCE / "cli" / cli_pages.file_name(words)).is_file()
    ]
    assert missing == []


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_every_command_and_option_says_what_it_is(words: tuple[str, ...]) -> None:
    command = CALLS[words]
    assert command.help
    assert "Example: " in (command.epilog or "")
    assert f"lowtide {' '.join(words)}" in cli_pages.example_of(command)
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.slow
def test_examples_of_the_commands_work(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for words in sorted(CALLS, key=lambda words: (words != ("run",), words)):  # the others need a run
        example = cli_pages.example_of(CALLS[words])
        if words == ("run",):
            example += " --epochs 1"
        command = re.sub("^lowtide", f"{shlex.quote(sys.executable)} -m lowtide", example)
        folder = tmp_path / "-".join(words)  # a user has no file that another example made
        folder.mkdir()
        (folder / "examples").symlink_to(ROOT / "examples")
        done = subprocess.run(
            command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"


# Public names


def public_names() -> Iterator[tuple[str, object]]:
    """Yield every public function and class by its full name, with the methods it defines."""
    for module_name in ("lowtide", *MODULES):
        module = importlib.import_module(module_name)
        yield module_name, module
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                yield f"{module_name}.{name}", value
            if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
                members = {key: member for key, member in vars(value).items() if not key.startswith("_")}
                for key, member in members.items():
                    if inspect.isfunction(member) or isinstance(
                        member, property | classmethod | staticmethod
                    ):
                        yield f"{module_name}.{name}.{key}", member


def has_own_docstring(name: str, value: object) -> bool:
    """Return whether somebody wrote a docstring: dataclasses and NamedTuples make one of their own."""
    text = (value.__doc__ or "").strip()
    return bool(text) and not text.startswith(f"{name.rpartition('.')[2]}(")


def test_every_public_name_has_a_docstring() -> None:
    assert [name for name, value in public_names() if not has_own_docstring(name, value)] == []


def test_every_public_name_exists() -> None:
    missing = [
        f"{module_name}.{name}"
        for module_name in ("lowtide", *MODULES)
        for module in [importlib.import_module(module_name)]
        for name in getattr(module, "__all__", ())
        if not hasattr(module, name)
    ]
    assert missing == []


# Doors, formats, settings, names


def words_of(page: str) -> set[str]:
    """Return everything a reference page writes in backticks."""
    return set(re.findall(r"`([^`\n]+)`", (REFERENCE / page).read_text()))


def test_every_door_is_documented() -> None:
    protocols = {name for name in doors.__all__ if getattr(getattr(doors, name), "_is_protocol", False)}
    assert protocols
    assert (protocols | set(GROUPS)) - words_of("doors.md") == set()


def test_every_format_is_documented() -> None:
    export_format = next(p for p in CALLS["export",].params if p.name == "form")
    assert {*FORMATS, *export_format.type.choices} - words_of("formats.md") == set()


def test_every_setting_is_documented() -> None:
    assert SETTINGS.keys() - words_of("settings.md") == set()


def test_every_name_of_the_nomenclature_is_used() -> None:
    text = (REFERENCE / "nomenclature.md").read_text()
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert len(names) > 20
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []


def test_output_of_the_demo_is_quoted_as_it_is() -> None:
    printed = (ROOT / "examples" / "train_digits.out").read_text().splitlines()
    for page in (ROOT / "README.md", DOCS / "tutorial" / "first-run.md"):
        quoted = re.findall(r"^(?:epoch .*|digits recognised.*)$", page.read_text(), re.MULTILINE)
        assert quoted
        assert [line for line in quoted if line not in printed] == []


# Links


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:docs|examples|src|tests|tools)/[\w./-]+)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("folder", [path for path in (DOCS, *DOCS.iterdir()) if path.is_dir()], ids=page_id)
def test_every_page_is_reached_from_an_index(folder: Path) -> None:
    index = folder / "README.md" if (folder / "README.md").exists() else DOCS / "README.md"
    text = index.read_text()
    pages = [path for path in folder.glob("*.md") if path != index]
    assert [path.name for path in pages if os.path.relpath(path, index.parent) not in text] == []


# Examples


@pytest.mark.parametrize("name", ["lowtide", *MODULES])
def test_examples_of_docstrings_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def blocks_of(path: Path) -> str:
    """Return all Python of a page as one program; lines keep their numbers."""
    kept, inside = [], False
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            kept.append("")
        else:
            kept.append(line if inside else "")
    return "\n".join(kept)


@pytest.mark.parametrize("path", [path for path in PAGES if blocks_of(path).strip()], ids=page_id)
def test_python_on_a_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks_of(path), page_id(path), "exec"), {"__name__": "page"})
