"""A training described in a file or by options, as texts; and the commented file to start from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from lowtide.errors import DataFileError, InputError, MissingExtraError, near_matches

__all__ = [
    "CONFIG_KEYS",
    "TEMPLATE",
    "EstimateRequest",
    "merged",
    "read_fields",
    "read_request",
    "write_picture",
    "write_template",
]

CONFIG_KEYS: Final = ("zone", "intensity", "provider", "basis", "factors", "market", "pue", "site")
"""Keys of an input file that are settings, not of the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRequest:
    """A training as typed; texts are read and checked by :func:`lowtide.runtime.estimating.estimate_request`.

    The names are those of the options of ``lowtide estimate``.
    """

    gpus: str | None = None
    duration: str | None = None
    power_per_gpu: str | None = None
    params: str | None = None
    active_params: str | None = None
    tokens: str | None = None
    flops: str | None = None
    mfu: str | None = None
    bits: int = 16
    node_energy: str | None = None
    facility_energy: str | None = None
    start: str | None = None
    queries: str | None = None
    energy_per_query: str | None = None
    embodied: bool = False
    embodied_per_gpu: str | None = None
    lifetime_years: str | None = None
    utilization: str | None = None
    reserved: str | None = None
    per: str | None = None
    levers: tuple[str, ...] = ()
    draws: int = 0
    seed: int = 0


TEMPLATE: Final = """\
# What lowtide needs to estimate a training. Delete what you do not know; then:  lowtide estimate FILE
# A range is written low..high or low..value..high and is a 90 % interval.

# The hardware: number and name. `lowtide estimate --gpus 8xV99` names near matches.
gpus = "8xA100"

# Either the time it takes ...
duration = "36h"            # 90s 15m 36h 14.8d
# ... or the model, and the time follows from the peak of the hardware and the share of it that is used.
# params = "7e9"            # all parameters
# active_params = "7e9"     # of a mixture of experts: those that work on one token
# tokens = "1e12"           # all that are seen, epochs included
# mfu = "0.3..0.5"          # else from published trainings
# bits = 16                 # 32, 16 or 8

# Power for each GPU at the node (host, fans and network in it); else metered or modelled.
# power_per_gpu = "400W"

# Where: a zone, or a constant in g/kWh.
zone = "DE"
# intensity = "381"
pue = "1.2"                 # facility over node; without it grams are of the node
# start = "2026-03-01T00:00Z"

# After training.
# queries = "1e6"
# energy_per_query = "text-generation"   # a task of the table, or an energy like 0.05Wh
# embodied = true           # share of the manufacture of GPUs and servers
# levers = ["less-data=2"]  # what if
"""
"""The file ``--init`` writes: TOML; the same keys work in YAML."""


def read_request(path: str) -> tuple[EstimateRequest, dict[str, str]]:
    """Return the training and the settings of a TOML or YAML file.

    Raises
    ------
    DataFileError
        If it cannot be read, or holds an unknown key or a value of a wrong kind.
    MissingExtraError
        For YAML without its library.
    """
    plain = read_fields(path)
    settings = {key: str(plain.pop(key)) for key in CONFIG_KEYS if plain.get(key) is not None}
    known = {field.name for field in fields(EstimateRequest)}
    given: dict[str, Any] = {}
    for key, value in plain.items():
        name = str(key).replace("-", "_")
        if name not in known:
            hint = near_matches(name, [*known, *CONFIG_KEYS])
            raise DataFileError(
                f"unknown key {key!r}{hint}; `lowtide estimate --init -` shows all", path=path
            )
        given[name] = _value(name, value, path)
    return EstimateRequest(**given), settings


def _value(name: str, value: Any, path: str) -> Any:
    if name == "levers":
        items = value if isinstance(value, list) else [value]
        return tuple(str(item) for item in items)
    if name == "embodied":
        if not isinstance(value, bool):
            raise DataFileError(f"embodied is true or false, got {value!r}", path=path)
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataFileError(f"{name} holds one value, got {value!r}", path=path)
    if name in ("bits", "draws", "seed"):
        if not isinstance(value, int):
            raise DataFileError(f"{name} is a whole number, got {value!r}", path=path)
        return value
    return str(value)


def read_fields(path: str) -> dict[str, Any]:
    """Return the top table of a TOML, JSON or YAML file; the ending says which.

    Raises
    ------
    DataFileError
        If it cannot be read or is no table.
    MissingExtraError
        For YAML without its library.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot be read: {error}", path=path) from error
    ending = Path(path).suffix.lower()
    plain = _yaml(text, path) if ending in (".yaml", ".yml") else _toml_or_json(text, ending, path)
    if not isinstance(plain, dict):
        raise DataFileError(f"holds no keys and values but {type(plain).__name__}", path=path)
    return plain


def _toml_or_json(text: str, ending: str, path: str) -> Any:
    import json
    import tomllib

    try:
        return json.loads(text) if ending == ".json" else tomllib.loads(text)
    except ValueError as error:
        kind = "JSON" if ending == ".json" else "TOML; YAML files end in .yaml"
        raise DataFileError(f"is no {kind}: {error}", path=path) from error


def _yaml(text: str, path: str) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        raise MissingExtraError(f"reading {path}; write TOML to do without:", extra="yaml") from error
    try:
        return yaml.load(text, Loader=_loader(yaml))
    except yaml.YAMLError as error:
        raise DataFileError(f"is no YAML: {' '.join(str(error).split())}", path=path) from error


def _loader(yaml: Any) -> Any:
    """Return a safe loader that takes NO for Norway: booleans are true and false alone, instants stay texts."""
    left_out = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    known = {
        first: [(tag, form) for tag, form in pairs if tag not in left_out]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader: Any = type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": known})
    forms = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
    loader.add_implicit_resolver("tag:yaml.org,2002:bool", forms, list("tTfF"))
    return loader


def merged(request: EstimateRequest, options: Mapping[str, Any]) -> EstimateRequest:
    """Return the request with every option that was given on top.

    Raises
    ------
    InputError
        If an option is unknown.
    """
    known = {field.name: field.default for field in fields(EstimateRequest)}
    unknown = options.keys() - known.keys()
    if unknown:
        raise InputError(f"no such input: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    given = {name: value for name, value in options.items() if value is not None and value != known[name]}
    return replace(request, **given)


def write_template(path: str) -> None:
    """Write the commented input file, TOML or (by its ending) the same in YAML.

    Raises
    ------
    InputError
        If the file is there already or cannot be written.
    """
    text = TEMPLATE
    if path.endswith((".yaml", ".yml")):
        text = re.sub(r"^((?:# )?\w+) = ", r"\1: ", text, flags=re.MULTILINE)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} is there already and was left alone; name another file") from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_picture(path: str, draw: Callable[[str], bytes]) -> None:
    """Write a picture in the format its ending names.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    form = Path(path).suffix.lower().removeprefix(".")
    image = draw(form)
    try:
        Path(path).write_bytes(image)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
