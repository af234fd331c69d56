"""The picture of plans: what it holds, in which formats, and what it refuses."""

from __future__ import annotations

import sys

import pytest

from lowtide.errors import InputError, MissingExtraError
from lowtide.model.planning import Job, PlanSet, Window
from lowtide.planning.plan import plan
from lowtide.planning.sites import SiteOption
from lowtide.reporting.plan_plot import PLOT_FORMATS, plan_plot
from lowtide.testing.builders import START_NS, intensity_series
from lowtide.units import NS_PER_H

SITES = (
    SiteOption(zone="DE", intensity=intensity_series([300.0, 100.0, float("nan"), 120.0, 380.0])),
    SiteOption(zone="NO", intensity=intensity_series([30.0, 20.0, 25.0, 10.0, 40.0])),
)
WINDOW = Window(start_ns=START_NS, deadline_ns=START_NS + 5 * NS_PER_H)


def some_plans() -> PlanSet:
    return plan(Job.constant(duration_s=5400.0, power_w=1000.0), SITES, WINDOW)


@pytest.mark.parametrize("image_format", PLOT_FORMATS)
def test_same_plans_give_the_same_bytes(image_format: str) -> None:
    pytest.importorskip("matplotlib")
    found = some_plans()
    image = plan_plot(found, SITES, WINDOW, image_format=image_format)
    assert image.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[image_format])
    assert image == plan_plot(found, SITES, WINDOW, image_format=image_format)


def test_drawing_names_zones_policies_and_savings(monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # words as words
    found = some_plans()
    text = plan_plot(found, SITES, WINDOW, image_format="svg").decode()
    for plan_ in found.plans:
        assert f"{plan_.policy} {plan_.zone}:" in text
    assert found.verdict in text
    assert "average intensity [g CO₂e/kWh]" in text


def test_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="cannot draw 'gif'; there are png, svg, pdf"):
        plan_plot(some_plans(), SITES, WINDOW, image_format="gif")


def test_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"lowtide\[plot\]"):
        plan_plot(some_plans(), SITES, WINDOW)


def test_front_is_drawn_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    job = Job.constant(duration_s=5400.0, power_w=1000.0)
    found = plan(job, SITES, WINDOW, pareto=True)
    assert found.pareto
    assert "done after [h]" in plan_plot(found, SITES, WINDOW, image_format="svg").decode()
    assert "done after [h]" not in plan_plot(some_plans(), SITES, WINDOW, image_format="svg").decode()
