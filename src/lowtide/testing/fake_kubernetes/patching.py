"""The three ways of patching an object that Kubernetes knows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

__all__ = ["PATCHES", "json_patch", "merge_patch", "strategic_patch"]

_KEYS: Final = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
    "conditions": "type", "ownerReferences": "uid", "imagePullSecrets": "name", "ports": "containerPort",
}  # fmt: skip
"""Lists whose items a strategic patch finds by a key; other lists are replaced."""


def merge_patch(target: Any, patch: Any) -> Any:
    """Return a target merged with a patch (RFC 7396).

    >>> merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": [3]}})
    {'a': {'c': 2, 'd': [3]}}
    """
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_patch(target: Any, patch: Any) -> Any:
    """Return a target merged with a strategic patch: lists of named things are merged item by item.

    >>> had = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    >>> strategic_patch(had, {"env": [{"name": "B", "value": "3"}]})["env"][1]["value"]
    '3'
    """
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and key in _KEYS:
            merged[key] = _merge_list(merged.get(key) or [], value, _KEYS[key])
        elif not key.startswith("$"):
            merged[key] = strategic_patch(merged.get(key), value)
    return merged


def _merge_list(had: list[Any], patch: list[Any], key: str) -> list[Any]:
    merged = deepcopy(had)
    for item in patch:
        place = next((i for i, one in enumerate(merged) if one.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            merged = [one for one in merged if one.get(key) != item.get(key)]
        elif place is None:
            merged.append(deepcopy(item))
        else:
            merged[place] = strategic_patch(merged[place], item)
    return merged


def json_patch(target: Any, patch: Any) -> Any:
    """Return a target after the operations of a JSON patch (RFC 6902): add, replace, remove and test.

    Raises
    ------
    ValueError
        If a path is not there, or a test fails.

    Examples
    --------
    >>> json_patch({"spec": {"suspend": True}}, [{"op": "replace", "path": "/spec/suspend", "value": False}])
    {'spec': {'suspend': False}}
    """
    changed = deepcopy(target)
    for step in patch:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        place = changed
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place.get(part)
            if place is None:
                raise ValueError(f"the path {step['path']} is not there")
        _apply(place, last, step)
    return changed


def _apply(place: Any, last: str, step: dict[str, Any]) -> None:
    op, key = step["op"], int(last) if isinstance(place, list) and last != "-" else last
    there = key == "-" or (key < len(place) if isinstance(place, list) else key in place)  # type: ignore[operator]
    if op in ("replace", "remove", "test") and not there:
        raise ValueError(f"the path {step['path']} is not there")
    if op == "test" and place[key] != step["value"]:
        raise ValueError(f"testing value {step['path']} failed")
    if op == "remove":
        del place[key]
    elif op in ("add", "replace") and isinstance(place, list) and (op == "add" or key == "-"):
        place.insert(len(place) if key == "-" else int(key), step["value"])
    elif op in ("add", "replace"):
        place[key] = step["value"]


PATCHES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_patch,
    "application/json-patch+json": json_patch,
}
"""By media type."""
