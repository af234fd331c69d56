"""Where the public data for checks lie; they are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def data_folder() -> Path:
    """Return the folder of public test data, or skip the test."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LOWTIDE_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no public test data in {folder}; set LOWTIDE_TEST_DATA to their folder")
    return folder


def data_path(name: str) -> Path:
    """Return the path of one file of the public test data, or skip the test."""
    path = data_folder() / name
    if not path.exists():
        pytest.skip(f"no {name} among the public test data in {path.parent}")
    return path
