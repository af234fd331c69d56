"""From what a user asked for to the header of a run; everything that can be refused is refused here."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from lowtide.accounting.sci import parse_functional_unit
from lowtide.errors import InputError, LowtideError, QuantityError, ZoneError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.pausing import RESUME
from lowtide.model.record import Attribution, RunHeader
from lowtide.quantities import parse_duration_s
from lowtide.runtime.config import Config, Setting, number_problem
from lowtide.runtime.grid_choices import choice_of, grid_choice, setting_from
from lowtide.runtime.grid_named import unused_words
from lowtide.runtime.grid_place import with_detected_zone
from lowtide.runtime.pue import pue_of
from lowtide.stores.ledger import Ledger, default_ledger_path, journal_root

__all__ = [
    "RunOptions",
    "checked_name",
    "grid_choice",
    "has_terminal",
    "is_batch",
    "ledger_flag",
    "ledger_of",
    "make_header",
    "new_run_id",
]

_LEAST_INTERVAL_S: Final = 0.01
_BATCH_VARIABLES: Final = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
    "JOB_ID",
    "KUBERNETES_SERVICE_HOST",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run was asked to be; None is for the configuration to say.

    Texts are as typed; :func:`make_header` reads and checks them.
    """

    command: tuple[str, ...] = ()
    name: str | None = None
    tags: tuple[str, ...] = ()
    flags: Mapping[str, str | None] = field(default_factory=dict)
    per: str | None = None


def ledger_of(config: Config) -> Ledger:
    """Return the ledger in force."""
    setting = config.get("ledger")
    return Ledger(setting.value if setting else default_ledger_path())


def ledger_flag(ledger: Ledger) -> str:
    """Return `` --ledger DIR`` where a command of this user would not find the ledger without; else nothing."""
    import shlex

    from lowtide.runtime.config import load_config

    try:
        usual = ledger_of(load_config()).path
    except LowtideError:
        usual = ""
    is_usual = os.path.abspath(usual) == os.path.abspath(ledger.path)
    return "" if is_usual else f" --ledger {shlex.quote(os.path.abspath(ledger.path))}"


def has_terminal() -> bool:
    """Return whether somebody is at a terminal, who reads a refusal and tries again."""
    import sys

    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def is_batch(env: Mapping[str, str]) -> bool:
    """Return whether this is the job of a scheduler: its variable is set and nobody is at a terminal."""
    return any(v in env for v in _BATCH_VARIABLES) and not has_terminal()


def make_header(
    options: RunOptions,
    config: Config,
    *,
    check_intensity: Callable[[GridChoice], None],
    lenient: bool = False,
    lenient_zone: bool = False,
    apart: bool = False,
) -> tuple[RunHeader, list[str]]:
    """Return the header of a new run, and remarks for the user.

    Parameters
    ----------
    options : RunOptions
    config : Config
        With the options' flags on top.
    check_intensity : callable
        Reads the intensity once, raising :class:`InputError` if a bill could not be made from it.
    lenient : bool
        In a scheduler's job a mistake in the intensity costs the emissions, not the job.
    lenient_zone : bool
        So does a wrong zone wherever nobody is at a terminal.
    apart : bool
        Try the sensors that were asked for by name in a child, for a process with one thread that stays small.

    Raises
    ------
    InputError
        If a value is wrong.
    StoreError
        If there is no place for a journal.
    """
    from lowtide import __version__
    from lowtide.estimation.power_models import cpu_power_model, memory_power_model, rest_model
    from lowtide.power.hardware import read_machine, usable_share
    from lowtide.runtime.calibrated import calibrated
    from lowtide.runtime.clock import boot_id

    remarks: list[str] = []
    try:
        grid, remark = with_detected_zone(grid_choice(config, is_lenient=True), config)
        remarks += [remark] if remark else []
        remarks += unused_words(grid, config)
        check_intensity(grid)
    except InputError as error:
        if not lenient and not (lenient_zone and isinstance(error, ZoneError)):
            raise
        remarks.append(f"{error}; energy is measured, emissions are unknown")
        grid = GridChoice()
    if options.per is not None:
        parse_functional_unit(options.per)
    unread = _unread_sensors(config, apart=apart)
    remarks += [f"{why}; the run goes on without it" for why in unread]
    machine, share = read_machine(), usable_share()
    cpu_model, memory_model = calibrated(machine, cpu_power_model(machine), memory_power_model(machine))
    created_ns = time.time_ns()
    run_id = new_run_id(created_ns)
    header = RunHeader(
        run_id=run_id,
        name=_name(options),
        command=options.command,
        tags=_tags(options.tags),
        host=socket.gethostname(),
        boot_id=boot_id(),
        created_ns=created_ns,
        interval_s=_interval_s(config.get("interval")),
        attribution=_attribution(config.get("attribution")),
        cpu_share=share.cpu,
        memory_share=share.memory,
        machine=machine,
        cpu_model=cpu_model,
        memory_model=memory_model,
        rest_model=rest_model(),
        grid=grid,
        pue=pue_of(config.get("pue"), zone=grid.zone, start_ns=created_ns),
        functional_unit=options.per,
        embodied_kg=_number(config, "embodied_kg"),
        lifetime_years=_number(config, "lifetime_years"),
        utilization=_number(config, "utilization"),
        parent_run_id=os.environ.get("LOWTIDE_RUN_ID"),
        version=__version__,
        journal_dir=os.path.join(journal_root(), run_id),
        unread_sensors=tuple(unread),
        resumed=os.environ.get(RESUME) == "1",
    )
    return header, remarks


def _unread_sensors(config: Config, *, apart: bool) -> list[str]:
    """Return why sensors that were asked for by name cannot be read; names that no sensor has are refused."""
    setting = config.get("sensors")
    if setting is None or setting.value in ("auto", "none"):
        return []
    from lowtide.runtime.sensing import check_names, unread_sensors

    try:
        check_names(setting.value)
    except InputError as error:
        raise InputError(f"sensors {setting.value!r} ({setting_from(setting)}): {error}") from error
    if not apart:
        return unread_sensors(setting.value)
    from lowtide.runtime.isolate import in_child

    try:
        found: list[str] = in_child(lambda: unread_sensors(setting.value))
    except LowtideError as error:
        return [f"sensors {setting.value!r} could not be tried: {error}"]
    return found


def new_run_id(created_ns: int) -> str:
    """Return an id that sorts by time: ``20261121T101500.123Z-k3x9q2``."""
    seconds, rest_ns = divmod(created_ns, 1_000_000_000)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    ending = "".join(alphabet[byte % 32] for byte in os.urandom(6))
    return f"{stamp}.{rest_ns // 1_000_000:03d}Z-{ending}"


def _name(options: RunOptions) -> str:
    if options.name is not None:
        return checked_name(options.name)
    scripts = [part for part in options.command[1:] if part.endswith((".py", ".sh"))]
    path = scripts[0] if scripts else (options.command[0] if options.command else "measured")
    return os.path.splitext(os.path.basename(path))[0] or "run"


def checked_name(name: str) -> str:
    """Return `name`, refusing what cannot name a run.

    Raises
    ------
    InputError
    """
    if not name or "/" in name or name == "last" or name != name.strip():
        raise InputError(f"{name!r} cannot name a run; use a word without '/', other than 'last'")
    return name


def _tags(tags: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not equals or not key:
            raise QuantityError(f"cannot read the tag {tag!r}; write it like team=vision")
        pairs.append((key, value))
    return tuple(pairs)


def _interval_s(setting: Setting | None) -> float:
    if setting is None:
        return 1.0
    interval_s = parse_duration_s(setting.value, bare_unit_s=1.0)
    if not _LEAST_INTERVAL_S <= interval_s <= 3600.0:
        raise QuantityError(
            f"interval {setting.value!r} ({setting_from(setting)}) must lie between 10ms and 1h"
        )
    return interval_s


def _attribution(setting: Setting | None) -> Attribution:
    return cast(Attribution, choice_of("attribution", setting, get_args(Attribution), "share"))


def _number(config: Config, name: str) -> float | None:
    setting = config.get(name)
    if setting is None:
        return None
    try:
        value = float(setting.value)
    except ValueError as error:
        raise QuantityError(f"{name} {setting.value!r} ({setting_from(setting)}) is no number") from error
    if why := number_problem(name, value):
        raise QuantityError(f"{name} {value:g} ({setting_from(setting)}) {why}")
    return value


def problem_of(error: LowtideError) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split())
