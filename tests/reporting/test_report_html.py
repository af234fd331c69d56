"""The report as one HTML file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from report_views import failed_view, gpu_energy, make_bill, make_energy, make_entry, make_view, marginal_view

from lowtide.reporting.bars import energy_bars
from lowtide.reporting.html import report_html
from lowtide.reporting.view import RunView

VOID = {"meta", "br"}
HOSTILE = "<script>alert(1)</script>\"'&"
SVG = "{http://www.w3.org/2000/svg}"


class Balance(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "views",
    [
        [],
        [make_view("a")],
        [make_view("a"), failed_view("b"), marginal_view()],
        [make_view("a", end=None, entry=None)],
        [make_view(HOSTILE, entry=make_entry(make_bill(source=HOSTILE, zone=HOSTILE)))],
    ],
)
def test_the_page_is_well_formed_and_needs_nothing_else(views: list[RunView]) -> None:
    page = report_html(views, True)
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert not balance.tags & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"\b(?:src|href)=|url\(|@import|\bon\w+=", page.replace("xmlns=", ""))
    assert "prefers-color-scheme: dark" in page


def test_everything_from_outside_is_escaped() -> None:
    page = report_html([make_view(HOSTILE, tags=(("k", HOSTILE),))], False)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;" in page


def test_figures_stand_in_the_tables() -> None:
    page = report_html([make_view("a")], False)
    assert '<td class="right">2.00 kWh (1.60 to 2.60)</td><td>node</td>' in page
    assert '<td class="right">800 g (600 to 1100)</td>' in page


def test_bars_are_as_long_as_the_energy() -> None:
    half = make_entry(make_bill(), energy=make_energy(total_kwh=1.0, rest_kwh=0.25,
                                                      by_component={"cpu_kwh": 0.5, "memory_kwh": 0.25}))  # fmt: skip
    svg = ElementTree.fromstring(energy_bars([make_view("a"), make_view("b", entry=half)]))
    widths = [float(rect.attrib["width"]) for rect in svg.iter(f"{SVG}rect") if rect.attrib["height"] == "16"]
    # 2 kWh fill 430 units: cpu 1, memory 0.5, rest 0.5; then half of each
    assert widths == [215.0, 107.5, 107.5, 107.5, 53.8, 53.8]


def test_bars_name_the_parts_there_are() -> None:
    svg = energy_bars([make_view("a", entry=make_entry(make_bill(), energy=gpu_energy()))])
    assert "<title>gpu: 1.50 kWh</title>" in svg
    assert ">memory<" not in svg


def test_without_energy_there_are_no_bars() -> None:
    assert energy_bars([]) == ""
    assert energy_bars([make_view("a", entry=None)]) == ""
    assert energy_bars([make_view("a", entry=make_entry(None, energy=make_energy(total_kwh=0.0)))]) == ""
