"""Files that hold one number, as the kernel shows its sensors."""

from __future__ import annotations

import os
from collections.abc import Callable

from lowtide.doors import Broken, Outcome, Retry

__all__ = ["NumberFiles", "folders", "text_of"]

_MOST_BYTES = 256


class NumberFiles:
    """Several such files, kept open and read together.

    A file is one outcome. What it holds is decoded by the function it was added with, whose ``ValueError`` is a
    ``Retry``; a file that cannot be read any more is ``Broken``.
    """

    def __init__(self) -> None:
        self._files: list[tuple[int, str, Callable[[bytes], int | float]]] = []

    def __len__(self) -> int:
        return len(self._files)

    def add(self, path: str, decode: Callable[[bytes], int | float] = int) -> None:
        """Open a file.

        Raises
        ------
        OSError
            If it cannot be opened or read.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.pread(fd, _MOST_BYTES, 0)
        except OSError:
            os.close(fd)
            raise
        self._files.append((fd, path, decode))

    def read(self) -> list[Outcome]:
        """Return the number in every file."""
        return [_read(*file) for file in self._files]

    def close(self) -> None:
        """Close all of them."""
        for fd, _, _ in self._files:
            os.close(fd)
        self._files = []


def _read(fd: int, path: str, decode: Callable[[bytes], int | float]) -> Outcome:
    try:
        data = os.pread(fd, _MOST_BYTES, 0)
        value = decode(data)
    except OSError as error:
        return Broken(f"{path}: {error.strerror}")
    except (ValueError, IndexError, OverflowError):
        return Retry(f"{path} holds no number: {data[:20]!r}")
    if value != value or value < 0 or value > 2**62:
        return Retry(f"{path} holds {value}, which no counter or power can be")
    return value


def text_of(path: str) -> str:
    """Return a file's text, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096).strip()
    except OSError:
        return ""


def folders(root: str, prefix: str = "") -> list[str]:
    """Return the paths in a folder whose names begin with a prefix, in order; none when there is no folder."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    return [os.path.join(root, name) for name in names if name.startswith(prefix)]
