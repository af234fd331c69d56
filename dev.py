"""Set this checkout up and run its tasks: ``python3 dev.py demo``, ``python3 dev.py test``.

Needs a Python >= 3.11 and nothing else; what the tasks need is installed into ``.venv`` the first time.
``python3 dev.py`` alone lists the tasks. The exit status is the task's own.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (an old python3 must be told what to do, not show a traceback)
    newer = next(filter(shutil.which, ("python3.13", "python3.12", "python3.11")), "a newer one")
    sys.exit(f"dev.py: needs Python 3.11 or newer, this is {sys.version.split()[0]}; call it with {newer}")

ROOT = Path(__file__).resolve().parent
VENV, BIN, STAMP = ROOT / ".venv", ROOT / ".venv/bin", ROOT / ".venv/set-up-by-dev"
PYTHON = getattr(sys, "_base_executable", sys.executable) if Path(sys.prefix) == VENV else sys.executable
ENV = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
ENV |= {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": str(VENV)}
ENV |= {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
ADVICE = f"""
dev.py: cannot make .venv with {PYTHON}: neither its own venv, nor its pip, nor uv did it (as shown above).
One of these is enough: python3-venv (apt install python3-venv), pip >= 22.3 or uv.
"""


class StepError(Exception):
    """A step of the set-up failed; holds the command and what it printed."""


def quietly(*command: str | Path) -> None:
    """Run a step of the set-up, keeping its output for the case that it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise StepError(f"$ {command[0]}\n{error.strerror}\n") from error
    if done.returncode != 0:
        raise StepError(f"$ {' '.join(map(str, command))}\n{done.stdout.decode(errors='replace')}")


def works(*command: str | Path) -> bool:
    """Return whether a step of the set-up succeeds."""
    try:
        quietly(*command)
    except StepError:
        return False
    return True


def wanted(level: str) -> str:
    """Return the stamp of a finished set-up, which changes with the project, the Python and the folder."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{level} {project} {sys.version_info[:2]} {ROOT}\n"


def installer() -> list[str | Path] | None:
    """Return a command that installs into .venv, or None if .venv is missing, broken or of another Python."""
    other = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if not works(BIN / "python", "-c", other):
        return None
    if works(BIN / "python", "-m", "pip", "--version"):
        return [BIN / "python", "-m", "pip", "install", "--quiet"]
    uv = shutil.which("uv")
    return [uv, "pip", "install", "--quiet", "--python", BIN / "python"] if uv else None


def make_venv() -> list[str | Path]:
    """Make .venv anew with what this machine has, and return the command that installs into it."""
    venv, problems = [PYTHON, "-m", "venv"], ""
    ways: list[list[list[str | Path]]] = [
        [[*venv, VENV]],
        [[*venv, "--without-pip", VENV], [PYTHON, "-m", "pip", "--python", BIN / "python", "install", "pip"]],
        [["uv", "venv", "--python", PYTHON, VENV]],
    ]
    for steps in ways:
        shutil.rmtree(VENV, ignore_errors=True)
        try:
            for step in steps:
                quietly(*step)
        except StepError as error:
            problems += str(error)
        if command := installer():
            return command
    raise StepError(problems + ADVICE)


def set_up(level: str) -> None:
    """Make .venv ready unless it is (one for development serves the demo too); mend it if it is broken."""
    import tomllib

    stamp = STAMP.read_text() if os.access(BIN / "python", os.X_OK) and STAMP.is_file() else ""
    if stamp in (wanted(level), wanted("dev")):
        return
    print(f"dev.py: setting up {VENV} (once, about a minute) ...", file=sys.stderr, flush=True)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    needed = ["--editable", ".[nvidia]", *(groups["dev"] if level == "dev" else [])]
    try:
        command = installer()
        if command is None or not works(*command, *needed):
            quietly(*make_venv(), *needed)
    except StepError as error:
        sys.exit(f"{error}dev.py: the set-up failed; nothing was run")
    STAMP.write_text(wanted(level))


def run(*command: str | Path) -> int:
    """Run a command in .venv from the repository's root; return its status as a shell would."""
    process = subprocess.Popen(command, cwd=ROOT, env=ENV)
    interrupted = False
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:
            interrupted = True  # the command got the same Ctrl-C and ends in its own way
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    if interrupted:
        sys.exit(status or 130)
    return status


def python(*arguments: str | Path) -> int:
    """Set up for development and run .venv's Python."""
    set_up("dev")
    return run(BIN / "python", *arguments)


def demo(*arguments: str) -> int:
    """Train a small model on digits and show its energy and carbon (about half a minute)"""
    set_up("demo")
    options = ["--name", "digits", "--zone", "DE"]
    status = run(BIN / "lowtide", "run", *options, "--", "python", "examples/train_digits.py", *arguments)
    print(f"\nlowtide is {os.path.relpath(BIN)}/lowtide here; `lowtide runs` lists this run", file=sys.stderr)
    return status


def lint() -> int:
    """Look for mistakes and for formatting (ruff)"""
    return python("-m", "ruff", "check") | python("-m", "ruff", "format", "--check")


def types() -> int:
    """Check the types of src (mypy --strict)"""
    return python("-m", "mypy")


def tests(*arguments: str) -> int:
    """Run pytest; arguments are passed on: python3 dev.py tests -k floors"""
    if arguments:
        return python("-m", "pytest", *arguments)
    # Most of the time is spent waiting for processes, so two tests share a core; what claims seconds runs alone.
    many = str(2 * (os.cpu_count() or 1))
    together = python("-m", "pytest", "-n", many, "--dist", "worksteal", "-m", "not alone")
    return together | python("-m", "pytest", "-m", "alone")


def test() -> int:
    """Run all that a change must pass: lint, types, and tests with those of floors, docs and examples"""
    failed = [task.__name__ for task in (lint, types, tests) if task() != 0]
    if failed:
        print(f"dev.py: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def docs() -> int:
    """Write the pages that are generated, then test docs/"""
    return python("tools/make_cli_pages.py") or tests("tests/test_docs.py")


def bench(*arguments: str) -> int:
    """Run every benchmarks/bench_*.py"""
    return max((python(path, *arguments) for path in sorted(ROOT.glob("benchmarks/bench_*.py"))), default=0)


def kill200() -> int:
    """Kill runs, and runs that wait for green, at 200 random moments and look for what is lost (about half an hour)"""
    trials = [("kill_trials", "kill-trials", ()), ("green_kills", "green-kills", ("--at-once", "3"))]
    return max(
        python(f"tests/runtime/{name}.py", "--n", "200", "--out", f"benchmarks/results/{out}.json", *more)
        for name, out, more in trials
    )


def setup() -> int:
    """Set up .venv for development and do nothing more"""
    return python("-c", "")


def clean() -> int:
    """Remove .venv, caches and builds"""
    for name in (".venv", ".*_cache", ".hypothesis", "dist", "build", "[!.]*/**/__pycache__"):
        for path in ROOT.glob(name):
            shutil.rmtree(path, ignore_errors=True)
    return 0


TASKS = {task.__name__: task for task in (demo, test, lint, types, tests, docs, bench, kill200, setup, clean)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        listed = "\n".join(f"  {name:<8} {task.__doc__}" for name, task in TASKS.items())
        print(f"usage: python3 dev.py TASK\n\n{listed}")
        sys.exit(0 if sys.argv[1:] in ([], ["--help"]) else 2)
    sys.exit(TASKS[sys.argv[1]](*sys.argv[2:]))
