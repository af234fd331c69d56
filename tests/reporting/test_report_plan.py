"""The bill of a plan in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_views import make_entry, make_view

from lowtide.model.run_plan import PlanBill, PromiseBill
from lowtide.reporting.plan_text import against_words, plan_lines
from lowtide.reporting.summary import four_lines
from lowtide.reporting.text import show_text
from lowtide.reporting.view import view_plain

HOUR = 3600 * 10**9
FIRST = PromiseBill(made_ns=0, start_ns=3 * HOUR, end_ns=5 * HOUR, n_pauses=0, emissions_g=250.0)
BILL = PlanBill(
    bound="--within 9h", asked_ns=0, deadline_ns=9 * HOUR, start_by_ns=None, deadline_met=True,
    waited_s=10800.0, paused_s=1800.0, running_s=7200.0, n_pauses=2, first=FIRST,
    last=replace(FIRST, made_ns=HOUR, n_pauses=2, emissions_g=None), executed_g=360.0, run_now_g=900.0,
    saving_g=540.0, saving_fraction=0.6, basis="average",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "540 g less allocated (-60 %); waited 3h, 2 pauses of 30m; deadline met"),
        ({"basis": "marginal"}, "540 g avoided (-60 %)"),
        ({"saving_g": -90.0, "saving_fraction": -0.1}, "90.0 g MORE allocated (+10 %)"),
        ({"provisional": True}, "(-60 %), provisional; waited"),
        ({"deadline_met": False}, "DEADLINE MISSED"),
        ({"deadline_met": None}, "2 pauses of 30m"),
        ({"start_by_ns": 9 * HOUR, "deadline_ns": None}, "started in time"),
        ({"saving_g": None, "problem": "no intensity is known"}, "unknown, no intensity is known"),
    ],
)
def test_comparison_with_running_at_once_says_what_it_is(changes, words):
    assert words in against_words(replace(BILL, **changes))


def test_show_has_promise_execution_and_running_at_once():
    text = "\n".join(plan_lines(BILL))
    assert "plan       --within 9h, asked 1970-01-01T00:00:00Z, deadline 1970-01-01T09:00:00Z" in text
    assert "first      250 g at measured power: 1970-01-01T03:00Z to 1970-01-01T05:00Z" in text
    assert "last       unknown at measured power" in text
    assert "executed   360 g" in text
    assert "at once    900 g" in text
    assert plan_lines(None) == []


def test_views_and_the_third_line_have_the_plan():
    view = make_view(entry=make_entry(plan=BILL))
    assert "against running at once" in show_text(view)
    assert four_lines(view, shift=None, shift_note="")[2].startswith(
        "instead  against running at once: 540 g"
    )
    plain = view_plain(view)["plan"]
    assert plain["deadline"] == "1970-01-01T09:00:00.000000Z"
    assert plain["first"]["emissions_g"] == 250.0
    assert not [key for key in plain if key.endswith("_ns")]
    assert view_plain(make_view())["plan"] is None
