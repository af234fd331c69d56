"""Instants and spans that no int64 of nanoseconds holds: refused in one line by whatever asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import QuantityError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with a power log and a history of intensity."""
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("t_s,power_w\n0,1000\n3600,1000\n")
    Path("h.csv").write_text("ts_utc,DE\n" + "".join(f"2026-03-0{d}T00:00Z,{d}\n" for d in range(1, 8)))


@pytest.mark.parametrize(
    "words",
    [
        "account p.csv --zone DE --start 0001-01-02T00:00Z",
        "estimate --gpus 8xV100 --duration 1h --zone DE --start 0001-01-02T00:00Z",
        "levers --zone DE --zone FR --duration 1h --start 0001-01-02T00:00Z",
        "sweep --duration 24h --zone DE --start 2300-01-01T00:00Z",
        "lifecycle --training-energy 1kWh --zone DE --start 9999-01-01T00:00Z",
        "grid forecast --history h.csv --now 2300-01-01T00:00Z",
        "grid history --zone DE --start 2300-01-01T00:00Z --end 2300-01-02T00:00Z",
    ],
)
def test_instant_too_far_away_is_refused(words: str) -> None:
    done = CliRunner().invoke(cli, words.split())
    assert isinstance(done.exception, QuantityError)
    assert "is too far away; instants between 1850 and 2100 can be asked for" in str(done.exception)


def test_levers_beyond_the_clock_are_refused() -> None:
    words = "levers --zone DE --zone FR --duration 50000d --slack 50000d --start 2026-01-01T00:00Z"
    done = CliRunner().invoke(cli, words.split())
    assert isinstance(done.exception, QuantityError)
    assert str(done.exception).startswith("this would end after the year 2250")
