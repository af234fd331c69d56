"""Pictures of intensity."""

from __future__ import annotations

import sys

import pytest

from lowtide.errors import InputError, MissingExtraError
from lowtide.reporting.plots import intensity_plot, plot_form
from lowtide.testing.builders import intensity_series


def test_same_series_gives_the_same_bytes() -> None:
    pytest.importorskip("matplotlib")
    series = {"DE": intensity_series([100.0, float("nan"), 300.0], zone="DE")}
    first = intensity_plot(series)
    assert first == intensity_plot(series)
    assert b"<svg" in first
    assert "g CO" in first.decode()


def test_negative_marginal_values_and_several_series_are_drawn() -> None:
    pytest.importorskip("matplotlib")
    series = {
        "DE": intensity_series([-20.0, 700.0], zone="DE", basis="marginal"),
        "FR": intensity_series([40.0, 50.0], zone="FR", basis="marginal", status="forecast"),
    }
    text = intensity_plot(series).decode()
    assert "FR, forecast" in text
    assert intensity_plot(series, form="png").startswith(b"\x89PNG")


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(InputError, match="there is no intensity to draw"):
        intensity_plot({})


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lowtide\[plot\]'"):
        intensity_plot({"DE": intensity_series([1.0])})


def test_form_is_told_by_the_ending() -> None:
    assert (plot_form("a.PNG"), plot_form("b.svg")) == ("png", "svg")
    with pytest.raises(InputError, match=r"--plot x.pdf: pictures are written as FILE.png or FILE.svg"):
        plot_form("x.pdf")
