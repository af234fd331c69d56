"""The bill of a plan in words, in tables and drawn."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_views import make_end, make_entry, make_view

from lowtide.model.ledger import JoinedIntensity
from lowtide.model.run_plan import PlanBill, Promise, PromiseBill, RunPlan, Way
from lowtide.reporting.html import report_html
from lowtide.reporting.markdown import report_markdown
from lowtide.reporting.plan_bars import plan_bars
from lowtide.reporting.plan_tables import plans_table, ways_table
from lowtide.reporting.plan_text import against_words, plan_lines
from lowtide.reporting.summary import four_lines
from lowtide.reporting.text import show_text
from lowtide.reporting.view import view_plain

HOUR = 3600 * 10**9
WAY = (
    Way(step="promised", g=250.0),
    Way(step="intensity", g=240.0, delta_g=-10.0),
    Way(step="power", g=300.0, delta_g=60.0),
    Way(step="duration", g=310.0, delta_g=10.0),
    Way(step="timing", g=350.0, delta_g=40.0),
    Way(step="pauses", g=360.0, delta_g=10.0),
    Way(step="residual", g=360.0, delta_g=1e-13),
)
FIRST = PromiseBill(
    made_ns=0, start_ns=3 * HOUR, end_ns=5 * HOUR, n_pauses=0, emissions_g=300.0, promised_g=250.0, power_w=900.0,
    way=WAY,
)  # fmt: skip
BILL = PlanBill(
    bound="--within 9h", asked_ns=0, deadline_ns=9 * HOUR, start_by_ns=None, deadline_met=True,
    waited_s=10800.0, paused_s=1800.0, running_s=7200.0, n_pauses=2, first=FIRST,
    last=replace(FIRST, made_ns=HOUR, n_pauses=2, promised_g=None, power_w=None, way=()), executed_g=360.0,
    run_now_g=900.0, saving_g=540.0, saving_fraction=0.6, saving_low_g=500.0, saving_high_g=590.0, basis="average",
    word="allocated", oracle_g=330.0, oracle_kind="parts", regret_fraction=30 / 900, way=WAY, reservation_g=0.0,
    idle_anyway_g=42.0, idle_w=20.0, idle_note="modelled",
)  # fmt: skip
PLAN = RunPlan(
    bound="--within 9h", asked_ns=0, deadline_ns=9 * HOUR, start_by_ns=None, pause="freeze", work_s=7200.0,
    runs_ns=((3 * HOUR, 4 * HOUR), (5 * HOUR, 6 * HOUR)),
    first=Promise(made_ns=0, runs_ns=((3 * HOUR, 5 * HOUR),)),
)  # fmt: skip


def waited_view(**changes):
    nan = float("nan")
    joined = JoinedIntensity(
        edges_ns=tuple(i * HOUR for i in range(10)), status=(0,) * 9,
        intensity_g_per_kwh=(400.0, 400.0, nan, 100.0, 90.0, 300.0, 100.0, 400.0, 400.0),
    )  # fmt: skip
    bill = replace(BILL, **changes)
    return make_view(entry=make_entry(plan=bill, joined={"location": joined}), end=make_end(plan=PLAN))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "540 g less allocated (-60 %); waited 3h, 2 pauses of 30m; deadline met"),
        ({"basis": "marginal"}, "540 g avoided (-60 %)"),
        ({"saving_g": -90.0, "saving_fraction": -0.1}, "90.0 g MORE allocated (+10 %)"),
        ({"saving_g": -90.0, "saving_fraction": -0.1, "basis": "marginal"}, "90.0 g caused on top (+10 %)"),
        ({"provisional": True}, "(-60 %), provisional; waited"),
        ({"deadline_met": False}, "DEADLINE MISSED"),
        ({"deadline_met": None}, "2 pauses of 30m"),
        ({"start_by_ns": 9 * HOUR, "deadline_ns": None}, "started in time"),
        ({"saving_g": None, "problem": "no intensity is known"}, "unknown, no intensity is known"),
    ],
)
def test_comparison_with_running_at_once_says_what_it_is(changes, words):
    assert words in against_words(replace(BILL, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "540 g (500 to 590) less allocated (-60 %)"),
        (
            {"saving_g": -90.0, "saving_fraction": -0.1, "saving_low_g": -120.0, "saving_high_g": 5.0},
            "90.0 g (-5.00 to 120) MORE allocated (+10 %)",
        ),
        ({"saving_low_g": None, "saving_high_g": None}, "540 g less allocated"),
    ],
)
def test_range_of_a_saving_stands_beside_it(changes, words):
    assert words in against_words(replace(BILL, **changes), with_range=True)


def test_show_tells_promise_execution_and_running_at_once_in_few_lines():
    lines = plan_lines(replace(BILL, last=FIRST))
    assert lines == [
        "plan       --within 9h, asked 1970-01-01T00:00:00Z, deadline 1970-01-01T09:00:00Z",
        "  first      promised 250 g: 1970-01-01T03:00Z to 1970-01-01T05:00Z (made 1970-01-01T00:00:00Z)",
        "             what became of it: forecast -10.0 g, power +60.0 g, duration +10.0 g, timing +40.0 g, "
        "pauses +10.0 g, residual 0 g",
        "  executed   360 g",
        "  at once    900 g, the same work at its own power from when it was asked for",
        "             against running at once: 540 g (500 to 590) less allocated (-60 %); waited 3h, 2 pauses of 30m; "
        "deadline met",
        "  at least   330 g, the same work in the greenest parts of the window, if pauses cost nothing; "
        "missed: 3.3 % of at once",
        "  idle       42.0 g: what its share of the machine draws idle anyway in that time; in no figure above",
    ]
    assert plan_lines(None) == []


def test_last_plan_is_told_where_it_is_another_one():
    text = "\n".join(plan_lines(BILL))
    assert "last       promised unknown (it knew no power: at the mean measured later): 1970" in text
    assert text.count("what became of it") == 1


def test_what_is_not_known_is_said():
    text = "\n".join(plan_lines(replace(BILL, oracle_g=None, oracle_kind="", window_provisional=True)))
    assert "at least   unknown: not all of the intensity of the window is known" in text
    soft = "\n".join(
        plan_lines(replace(BILL, oracle_kind="starts", regret_fraction=None, window_provisional=True))
    )
    assert "330 g, the same work at its greenest start, provisional" in soft
    nothing = plan_lines(replace(BILL, saving_g=None, idle_anyway_g=None, problem="no intensity is known"))
    assert not [line for line in nothing if "at least" in line or "idle" in line]
    half = replace(FIRST, way=(WAY[0], replace(WAY[1], g=None, delta_g=None), *WAY[2:]))
    assert "forecast unknown, power +60.0 g" in "\n".join(plan_lines(replace(BILL, first=half)))


@pytest.mark.parametrize(
    ("g", "words"), [(72.0, "360 g, and 72.0 g of the reserved"), (None, "and unknown of the")]
)
def test_reserved_hardware_is_a_line_of_its_own(g, words):
    assert words in "\n".join(plan_lines(replace(BILL, reservation_g=g)))


def test_views_and_the_third_line_have_the_plan():
    view = make_view(entry=make_entry(plan=BILL))
    assert "against running at once" in show_text(view)
    assert four_lines(view, shift=None, shift_note="")[2].startswith(
        "instead  against running at once: 540 g"
    )
    plain = view_plain(view)["plan"]
    assert plain["deadline"] == "1970-01-01T09:00:00.000000Z"
    assert plain["first"]["promised_g"] == 250.0
    assert plain["way"][1] == {"step": "intensity", "g": 240.0, "delta_g": -10.0}
    assert plain["first"]["way"] == plain["way"]
    named = (
        "oracle_g",
        "regret_fraction",
        "saving_low_g",
        "saving_high_g",
        "reservation_g",
        "idle_anyway_g",
        "word",
    )
    assert [plain[key] for key in named] == [330.0, 30 / 900, 500.0, 590.0, 0.0, 42.0, "allocated"]
    assert not [key for key in plain if key.endswith("_ns")]
    assert view_plain(make_view())["plan"] is None


def test_tables_have_a_row_for_each_run_that_waited_and_each_of_its_plans():
    views = [waited_view(), make_view("b")]
    (row,) = plans_table(views).rows
    assert row == (
        "a", "--within 9h", "3h", "30m", "360 g", "0 g", "900 g", "540 g (500 to 590) less allocated (-60 %)",
        "330 g", "3.3 %",
    )  # fmt: skip
    first, last = ways_table(views).rows
    assert first == (
        "a", "first", "250 g", "-10.0 g", "+60.0 g", "+10.0 g", "+40.0 g", "+10.0 g", "0 g", "360 g"
    )  # fmt: skip
    assert last[1:4] == ("last", "unknown", "unknown")
    only_last = waited_view(first=None)
    assert [row[1] for row in ways_table([only_last]).rows] == ["last"]


def test_reports_have_the_tables_only_where_something_waited():
    text = report_markdown([waited_view(window_provisional=True)], False)
    assert "## Against running at once" in text
    assert "## From promise to bill" in text
    assert "provisional: not all of the intensity is final" in text
    assert "Against running at once" not in report_markdown([make_view()], False)


def test_drawing_shows_plan_and_execution_under_the_intensity():
    svg = plan_bars([waited_view(), make_view("b")])
    tree = ElementTree.fromstring(svg)
    tags = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert tags.count("rect") == 3  # one planned stretch, two executed
    path = next(element.attrib["d"] for element in tree.iter() if element.tag.endswith("path"))
    assert path.count("M") == 2  # a gap where it is unknown
    assert "executed: 1970-01-01T03:00Z to 1970-01-01T04:00Z" in svg
    assert "deadline 1970-01-01T09:00Z" in svg
    assert svg in report_html([waited_view()], False)


def test_instants_under_a_drawing_never_lie_on_one_another_and_stay_inside():
    view = waited_view()
    plan = replace(PLAN, asked_ns=8 * HOUR, deadline_ns=9 * HOUR)  # both at the right edge, an hour apart
    tree = ElementTree.fromstring(plan_bars([replace(view, end=make_end(plan=plan))]))
    texts = [element for element in tree.iter() if element.tag.endswith("text")]
    asked, deadline = (
        next(t for t in texts if (t.text or "").startswith(word)) for word in ("asked", "deadline")
    )
    assert float(deadline.attrib["y"]) - float(asked.attrib["y"]) >= 12.0  # a line of 12 px each
    assert (asked.attrib["text-anchor"], deadline.attrib["text-anchor"]) == ("end", "end")
    early = ElementTree.fromstring(plan_bars([view]))
    assert "start" in [element.attrib.get("text-anchor") for element in early.iter()]


def test_drawing_has_a_scale():
    texts = [element.text for element in ElementTree.fromstring(plan_bars([waited_view()])).iter()]
    assert "400 g/kWh" in texts
    assert "0" in texts
    nan = float("nan")
    joined = JoinedIntensity(
        edges_ns=tuple(i * HOUR for i in range(10)), status=(0,) * 9,
        intensity_g_per_kwh=(400.0, 400.0, nan, 100.0, -300.0, 300.0, 100.0, 400.0, 400.0),
    )  # fmt: skip
    below = make_view(entry=make_entry(plan=BILL, joined={"location": joined}), end=make_end(plan=PLAN))
    assert "-300 g/kWh" in [element.text for element in ElementTree.fromstring(plan_bars([below])).iter()]


def test_saving_of_nothing_has_no_sign():
    words = against_words(replace(BILL, saving_g=-1e-13, saving_fraction=-1e-16))
    assert "against running at once: no difference; waited 3h" in words


def test_drawing_is_left_out_where_nothing_can_be_drawn():
    assert plan_bars([make_view()]) == ""
    assert plan_bars([make_view(entry=make_entry(plan=BILL), end=make_end(plan=PLAN))]) == ""
    still = replace(PLAN, runs_ns=(), first=None)
    assert plan_bars([replace(waited_view(), end=make_end(plan=still))]) == ""
