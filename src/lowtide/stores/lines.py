"""Logs of what is about to be done: a JSON object a line, on the disk before the act, whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from lowtide.errors import StoreError

__all__ = ["append_line", "whole_lines"]


def append_line(path: str, line: Mapping[str, Any]) -> None:
    """Add an object to a log and make sure that it is on the disk; folder and file are made when missing.

    It is written in one go, because several processes may add to the same log, and starts a line of its own where
    the last one was cut short by a kill or a full disk.

    Parameters
    ----------
    path : str
    line : mapping
        Plain data.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    data = json.dumps(line).encode() + b"\n"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            end = os.fstat(fd).st_size
            if end and os.pread(fd, 1, end - 1) != b"\n":
                data = b"\n" + data
            if os.write(fd, data) != len(data):
                raise OSError(0, "no more room")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def whole_lines(path: str, keys: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a log that have all of `keys`; a line cut short was of an act that was not done.

    Nothing where there is no file.

    Raises
    ------
    OSError
        If it is there and cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and keys <= set(line):
            yield line
