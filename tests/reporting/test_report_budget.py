"""The budget of a run as `show` tells it."""

from __future__ import annotations

from typing import Any

import pytest
from report_views import make_bill, make_end, make_entry, make_view

from lowtide.model.budget import Budget, BudgetAct, BudgetReached
from lowtide.reporting.budget import budget_lines, budget_plain
from lowtide.reporting.text import show_text
from lowtide.reporting.view import view_plain
from lowtide.testing.builders import START_NS


def test_run_without_a_budget_has_no_line_and_null() -> None:
    assert view_plain(make_view())["budget"] is None
    assert "budget" not in show_text(make_view())


def test_share_is_of_the_bill_in_force() -> None:
    entry = make_entry(make_bill())  # 800 g, 2 kWh
    assert budget_lines(Budget(limit_g=1000.0), make_end(), entry) == ["budget     1.00 kg: 80 % of it used"]
    assert budget_lines(Budget(limit_kwh=4.0), None, entry) == ["budget     4.00 kWh: 50 % of it used"]
    plain = budget_plain(Budget(limit_g=1000.0, on="stop"), make_end(), entry)
    assert plain == {
        "limit_g": 1000.0,
        "limit_kwh": None,
        "on": "stop",
        "reached_at": None,
        "action": None,
        "used_fraction": 0.8,
    }


def test_run_that_ended_over_its_budget_between_two_looks_says_so() -> None:
    [line] = budget_lines(Budget(limit_g=640.0), make_end(), make_entry(make_bill()))
    assert line == "budget     640 g: 125 % of it used; it ended before a look saw that"  # 800 / 640


def test_unknown_carbon_leaves_the_share_unknown() -> None:
    for entry in (None, make_entry(None)):
        assert budget_lines(Budget(limit_g=1.0), make_end(), entry) == [
            "budget     1.00 g: unknown how much of it was used"
        ]
        plain: Any = budget_plain(Budget(limit_g=1.0), make_end(), entry)
        assert plain["used_fraction"] is None


@pytest.mark.parametrize(
    ("action", "words"),
    [("warned", "said, and it went on"), ("stopped", "ended with SIGTERM"), ("saved", "it saved and left"),
     ("asked", "asked to save and leave"), ("ended", "it left by itself"),
     ("left running", "it could not save and was left running")],
)  # fmt: skip
def test_what_was_done_is_said(action: BudgetAct, words: str) -> None:
    end = make_end(budget=BudgetReached(at_ns=START_NS, used=501.0, action=action))
    entry = make_entry(make_bill())
    [line] = budget_lines(Budget(limit_g=500.0), end, entry)
    assert line == f"budget     500 g: 160 % of it used; reached 2026-03-01T00:00:00Z with 501 g: {words}"
    plain: Any = budget_plain(Budget(limit_g=500.0), end, entry)
    assert (plain["reached_at"], plain["action"]) == ("2026-03-01T00:00:00.000000Z", action)
