"""Plans from the shell past the end of what is known: history, forecast, risk, robust, hindsight, plot."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowtide.accounting.booking import book
from lowtide.accounting.intensities import Intensities
from lowtide.cli.main import main
from lowtide.errors import InputError
from lowtide.model.record import RunEnd
from lowtide.runtime.config import load_config
from lowtide.runtime.planning import Planned, PlanRequest, plan_request
from lowtide.stores.codec import to_plain
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header, make_record, regular_edges

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 24 * 100


def value(hour: int) -> float:
    """Return a day's swing between 200 and 400 g/kWh, lowest at 12:00, with a slow drift."""
    return round(300.0 + 100.0 * math.cos(hour / 24 * 2 * math.pi) + 20.0 * math.sin(hour / 171), 2)


@pytest.fixture
def history(tmp_path: Path) -> str:
    """Return a file of 100 days of one zone."""
    rows = [f"{T0 + timedelta(hours=h):%Y-%m-%dT%H:%MZ},{value(h)}" for h in range(HOURS)]
    path = tmp_path / "past.csv"
    path.write_text("\n".join(["ts_utc,DE", *rows]))
    return str(path)


def day(n: int, hour: int = 0) -> str:
    return f"{T0 + timedelta(days=n, hours=hour):%Y-%m-%dT%H:%MZ}"


def planned(history: str, *, intensity: str | None = None, **options: Any) -> Planned:
    given = {"duration": "2h", "power": "1kW", "zones": ("DE",), "within": "24h", "start": day(100)}
    config = load_config(env={}).with_flags({} if intensity is None else {"intensity": intensity})
    return plan_request(PlanRequest(history=history, **{**given, **options}), config)


def test_history_is_continued_past_its_end(history: str) -> None:
    done = planned(history, forecast="persistence-day")
    best = done.found.best
    assert best is not None
    assert done.sites[0].intensity.end_ns == done.window.deadline_ns
    # yesterday repeated: the two hours about noon, 11:00 to 13:00
    assert (best.start_ns - done.window.start_ns) / 3.6e12 == pytest.approx(11, abs=1)
    assert best.emissions_g == pytest.approx(value(HOURS - 24 + 11) + value(HOURS - 24 + 12), rel=0.02)
    assert done.hindsight is None  # nobody knows yet
    assert any("persistence-day, as asked for" in note for note in done.found.warnings)


def test_nothing_after_the_start_is_read_and_hindsight_tells(history: str, tmp_path: Path) -> None:
    lines = Path(history).read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text(
        "\n".join([*lines[: 1 + 24 * 80], *(f"{line.split(',')[0]},1" for line in lines[1 + 24 * 80 :])])
    )
    one, two = (planned(path, start=day(80), forecast="blend") for path in (history, str(other)))
    assert [p.segments for p in one.found.plans] == [p.segments for p in two.found.plans]
    assert one.hindsight is not None
    assert one.hindsight.oracle_g is not None
    assert one.hindsight.forecast_g is not None
    assert one.hindsight.now_g is not None
    assert one.hindsight.oracle_g <= one.hindsight.forecast_g <= one.hindsight.now_g
    assert "saved against run-now: with hindsight" in one.hindsight.words


def test_given_intensity_is_kept_and_continued(history: str, tmp_path: Path) -> None:
    given = tmp_path / "given.csv"
    rows = [f"{day(100, h)},{900 - 10 * h}" for h in range(6)]
    given.write_text("\n".join(["ts_utc,DE", *rows]))
    series = planned(history, intensity=str(given), forecast="persistence-day").sites[0].intensity
    first = int((series.edges_ns[:-1] >= series.end_ns - 24 * 3600 * 10**9).argmax())
    assert series.intensity_g_per_kwh[first : first + 6].tolist() == [900, 890, 880, 870, 860, 850]
    assert series.intensity_g_per_kwh[-1] == value(HOURS - 1)


def test_risk_plans_on_more_than_the_median(history: str) -> None:
    calm, wary = (planned(history, forecast="blend", risk=risk).found.best for risk in (0.0, 1.0))
    assert calm is not None
    assert wary is not None
    assert wary.lower_bound_g is None  # best for what it was planned on, not for what it is priced on
    assert calm.emissions_g is not None
    assert wary.emissions_g is not None
    assert calm.emissions_g <= wary.emissions_g * (1 + 1e-12)


def test_robust_says_what_the_past_allows(history: str) -> None:
    done = planned(history, robust=True, forecast="persistence-day", policies=("flexible-start",))
    assert any(note.startswith("flexible-start in DE: ") for note in done.found.warnings)
    best = done.found.best
    assert best is not None
    assert best.saving_fraction is not None
    assert best.saving_fraction > 0.3  # this past is regular: waiting always paid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"risk": 1.5}, "--risk 1.5 must be from 0"),
        ({"risk": 0.5, "carbon_price": 100.0}, "plans for carbon alone; leave out --carbon-price"),
        ({"forecast": "nonsense"}, "nonsense"),
        ({"start": "2025-12-31T00:00Z"}, "the history begins at 2026-01-01T00:00"),
    ],
)
def test_mistakes_are_refused(history: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(history, **options)


@pytest.mark.parametrize("option", [{"risk": 0.5}, {"robust": True}, {"forecast": "blend"}])
def test_what_learns_from_the_past_asks_for_it(option: dict[str, Any]) -> None:
    request = PlanRequest(duration="2h", power="1kW", zones=("DE",), within="24h", **option)
    with pytest.raises(InputError, match=f"--{next(iter(option))} learns from the past: give --history FILE"):
        plan_request(request, load_config(env={}))


def test_command_draws_and_tells(
    history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    words = ["lowtide", "plan", "--duration", "2h", "--power", "1kW", "--zone", "DE", "--start", day(80)]
    words += ["--within", "24h", "--history", history, "--plot", str(tmp_path / "plan.svg")]
    for extra in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", [*words, *extra])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        out, err = capsys.readouterr()
        assert f"plans drawn in {tmp_path / 'plan.svg'}" in err
        if extra:
            assert json.loads(out)["hindsight"]["now_g"] > 0.0
        else:
            assert "hindsight: " in out
    assert (tmp_path / "plan.svg").read_bytes().startswith(b"<?xml")


# Jobs of unknown duration


def ledger_of_runs(folder: Path, hours: list[float]) -> Ledger:
    """Return a ledger of finished runs called "train" of these lengths, idle all the time, and one that failed."""
    ledger = Ledger(str(folder))
    for i, (length_h, code) in enumerate([*((h, 0) for h in hours), (9.0, 1)]):
        header = make_header(
            run_id=f"20260301T00000{i}Z-{i:06x}", name="train", journal_dir=str(folder / "gone")
        )
        ledger.create(header)
        t_ns = regular_edges(round(length_h * 6), step_s=600.0)
        end = RunEnd(started_ns=int(t_ns[0]), ended_ns=int(t_ns[-1]), exit_code=code)
        ledger.write_end(header.run_id, end)
        record = make_record(
            header, t_ns=t_ns, machine_cpu_s=np.zeros(len(t_ns)), run_cpu_s=np.zeros(len(t_ns)), end=end
        )
        ledger.add_entry(
            header.run_id,
            to_plain(book(record, Intensities(), made="2026-03-02T00:00Z", segments={}, version="0")),
        )
    return ledger


def test_duration_is_learnt_from_past_runs(history: str, tmp_path: Path) -> None:
    ledger = ledger_of_runs(tmp_path / "ledger", [1.0, 2.0, 2.0, 4.0])
    request = PlanRequest(
        past_runs="train", zones=("DE",), within="24h", start=day(100), history=history,
        forecast="persistence-day",
    )  # fmt: skip
    done = plan_request(request, load_config(env={}), ledger=ledger)
    assert done.likely is not None
    assert (done.likely.n_runs, done.likely.p90_s, done.likely.p_done) == (4, 4 * 3600.0, 1.0)
    # idle 40 W and 16 GB of memory at 0.5 W, a quarter of that for the rest of the node
    best = done.found.best
    assert best is not None
    assert best.energy_kwh == pytest.approx(4 * 0.048 * 1.25, rel=1e-6)
    assert done.likely.expected_g is not None
    assert best.emissions_g is not None
    assert done.likely.expected_g < best.emissions_g  # most runs are shorter
    assert any("duration learnt from 4 runs: nine in ten took 4h or less" in n for n in done.found.warnings)


def test_too_few_past_runs_are_said(history: str, tmp_path: Path) -> None:
    ledger = ledger_of_runs(tmp_path / "ledger", [1.0, 2.0])
    request = PlanRequest(past_runs="train", zones=("DE",), within="24h")
    with pytest.raises(InputError, match="2 of 3 runs named 'train' have finished; at least 3 tell"):
        plan_request(request, load_config(env={}), ledger=ledger)
    with pytest.raises(InputError, match="leave out --duration"):
        plan_request(
            PlanRequest(past_runs="train", duration="2h", zones=("DE",), within="24h"), load_config(env={})
        )
