"""What tests of power logs share."""

from __future__ import annotations

import pytest


@pytest.fixture
def write(tmp_path):
    def _write(*lines: str, name: str = "power.csv", end: str = "\n"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + end, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    def _write(**columns):
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return _write
