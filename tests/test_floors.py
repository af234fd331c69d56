"""The order of the tree: each floor imports only lower ones, and heavy libraries stay inside functions.

The floors are those of the design with one deviation, ``docs/decisions/0002-nouns-below-series.md``.
Only the standard library and the source text are used, so that a broken import cannot hide another.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "lowtide"
FLOORS = (
    ("arrays", "errors", "units", "quantities"),
    ("model", "data"),
    ("series",),
    ("doors", "plugins", "accounting"),
    ("forecasting", "estimation"),
    ("planning",),
    ("fleet", "reporting"),
    ("power", "grid", "executors", "stores", "exporters"),
    ("runtime", "testing"),
    ("cli", "web", "integrations", "__main__"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
PARTS = FLOORS[7]
"""Rooms of floor 7: parts that never import each other."""
ANYWHERE = ("lowtide", "lowtide.errors")
"""``import lowtide`` is light: the verbs and nouns in it are loaded when used."""

NO_LIBRARY = ("errors", "units", "quantities", "model", "data", "doors", "plugins")
"""Rooms that need the standard library alone."""
NUMPY_ALONE = ("series", "accounting", "forecasting", "estimation", "planning", "fleet", "reporting")
AT_THE_TOP = {"numpy", "click"}
"""Libraries that may be imported at the top of a module, numpy from the series up and click in cli/."""
OUTSIDE = {
    "logging",
    "os",
    "random",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "time",
    "urllib",
}
"""Standard modules that reach files, clocks, the environment or chance; floors 0 to 6 take these as arguments."""


class Import(NamedTuple):
    """One import statement of ours: who, whom, where, and in which way."""

    importer: str
    imported: str
    where: str
    typing_only: bool
    in_function: bool


def modules() -> list[tuple[str, Path]]:
    """Return (dotted name, file) of every module of lowtide."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("lowtide", *path.relative_to(SOURCE).with_suffix("").parts)
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports_of(name: str, path: Path) -> Iterator[Import]:
    """Yield every import of a module, however deep, with what surrounds it."""
    file = path.relative_to(SOURCE.parent)

    def walk(node: ast.AST, typing_only: bool, in_function: bool) -> Iterator[Import]:
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        names_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                continue  # an expression holds no import
            typed = typing_only or (names_typing and child in node.body)
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(name, alias.name, f"{file}:{child.lineno}", typed, inside)
            elif isinstance(child, ast.ImportFrom):
                where = f"{file}:{child.lineno}"
                assert child.level == 0, f"{where}: imports are absolute"
                for alias in child.names:
                    module = f"{child.module}.{alias.name}"
                    known = module in MODULE_NAMES
                    yield Import(name, module if known else str(child.module), where, typed, inside)
            yield from walk(child, typed, inside)

    yield from walk(ast.parse(path.read_text(), str(path)), False, False)


def calls_of(path: Path) -> set[str]:
    """Return the functions a file calls by a bare name."""
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


MODULE_NAMES = {name for name, _ in modules()}
IMPORTS = [found for name, path in modules() for found in imports_of(name, path)]
OURS = [found for found in IMPORTS if found.imported.split(".")[0] == "lowtide"]
FOREIGN = [
    found
    for found in IMPORTS
    if found.imported.split(".")[0] not in {"lowtide", "__future__", *sys.stdlib_module_names}
]


def room(module: str) -> str:
    """Return the room of a module: ``lowtide.power.sensors.rapl`` is in ``power``."""
    return module.split(".")[1] if "." in module else ""


def may_look_up(found: Import) -> bool:
    """Return whether an import of a higher floor is one of the two that are allowed.

    The doors name higher nouns in annotations, and the package itself offers all verbs lazily.
    """
    return found.importer == "lowtide" or (found.importer == "lowtide.doors" and found.typing_only)


def test_every_room_has_a_floor() -> None:
    rooms = {room(name) for name, _ in modules()} - {""}
    assert rooms <= set(FLOOR_OF), f"no floor for {rooms - set(FLOOR_OF)}"


def test_each_floor_imports_only_lower_ones() -> None:
    upward = [
        f"{found.where} imports {found.imported}: floor {FLOOR_OF[room(found.imported)]} "
        f"from floor {FLOOR_OF[room(found.importer)]}"
        for found in OURS
        if found.imported not in ANYWHERE
        and not may_look_up(found)
        and FLOOR_OF[room(found.imported)] > FLOOR_OF[room(found.importer)]
    ]
    assert upward == []


def test_parts_never_import_each_other() -> None:
    across = [
        f"{found.where} imports {found.imported}"
        for found in OURS
        if room(found.importer) in PARTS
        and room(found.imported) in PARTS
        and room(found.importer) != room(found.imported)
    ]
    assert across == []


def test_rooms_do_not_import_each_other_in_circles() -> None:
    after = {
        name: {room(f.imported) for f in OURS if room(f.importer) == name and not may_look_up(f)} - {name, ""}
        for name in FLOOR_OF
    }

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        ways = after.get(start, set()) - seen
        return goal in ways or any(reaches(way, goal, seen | ways) for way in ways)

    assert [name for name in FLOOR_OF if reaches(name, name, set())] == []


def test_nouns_and_tables_need_no_library() -> None:
    wrong = [f"{f.where} imports {f.imported}" for f in FOREIGN if room(f.importer) in NO_LIBRARY]
    assert wrong == []


def test_middle_floors_need_numpy_alone() -> None:
    wrong = [
        f"{f.where} imports {f.imported}"
        for f in FOREIGN
        if room(f.importer) in NUMPY_ALONE and f.imported.split(".")[0] != "numpy" and not f.in_function
    ]
    assert wrong == []


def test_libraries_other_than_numpy_and_click_are_imported_inside_functions() -> None:
    wrong = [
        f"{f.where} imports {f.imported}"
        for f in FOREIGN
        if not f.in_function and not f.typing_only and f.imported.split(".")[0] not in AT_THE_TOP
    ]
    assert wrong == []


def test_click_stays_in_the_command_line() -> None:
    wrong = [f.where for f in FOREIGN if f.imported.split(".")[0] == "click" and room(f.importer) != "cli"]
    assert wrong == []


def test_lower_floors_do_no_input_or_output_and_ask_no_clock() -> None:
    low = {
        name: path
        for name, path in modules()
        if room(name) and FLOOR_OF[room(name)] < FLOOR_OF["power"] and name != "lowtide.data.tables"
    }
    imported = [
        f"{f.where} imports {f.imported}"
        for f in IMPORTS
        if f.importer in low and f.imported.split(".")[0] in OUTSIDE
    ]
    called = [
        f"{name} calls {call}()" for name, path in low.items() for call in calls_of(path) & {"open", "print"}
    ]
    assert imported + called == []


@pytest.mark.parametrize("process", ["recorder", "supervisor"])
def test_process_beside_the_job_has_no_numpy(process: str) -> None:
    code = {
        "recorder": "import lowtide.runtime.recorder, lowtide.runtime.sensing; import lowtide.power.sensors.presence,"
        "lowtide.power.sensors.cpu_time, lowtide.power.sensors.rapl, lowtide.power.sensors.nvml, lowtide.power.scope",
        "supervisor": "import lowtide.cli.run, lowtide.runtime.running, lowtide.runtime.supervise,"
        "lowtide.runtime.prepare, lowtide.estimation.power_models, lowtide.data.zones, lowtide.power.hardware",
    }[process]
    check = f"{code}\nimport sys; print([m for m in ('numpy', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("[]" if process == "recorder" else "['click']")
