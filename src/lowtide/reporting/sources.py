"""The data behind a report's figures: who made them, under which licence, and how to cite them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.reporting.view import RunView

__all__ = ["Source", "sources_of", "unnamed_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data source that a bill may rest on.

    Attributes
    ----------
    mark : str
        Words by which a signal's or a model's source names it.
    key, kind : str
        BibTeX key and entry type.
    author, title, year, where, licence : str
        `where` is a journal, a book of proceedings, or what the thing is; empty is left out.
    doi, url : str
    """

    mark: str
    key: str
    author: str
    title: str
    licence: str
    kind: str = "misc"
    year: str = ""
    where: str = ""
    doi: str = ""
    url: str = ""

    def plain(self) -> str:
        """Return title, surnames and licence in words, without BibTeX's braces and accents."""
        names = ", ".join(name.split(",")[0] for name in self.author.split(" and "))
        words = f"{self.title}, by {names} ({self.licence})"
        words = words.replace('{\\"o}', "ö").replace('{\\"i}', "ï")
        return words.replace("{", "").replace("}", "")

    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        place = {"article": "journal", "inproceedings": "booktitle"}.get(self.kind, "howpublished")
        fields = {
            "author": self.author,
            "title": self.title,
            place: self.where,
            "year": self.year,
            "doi": self.doi,
            "url": self.url,
            "note": f"licence: {self.licence}" if self.licence else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


_SOURCES: Final = (
    Source(
        mark="Our World in Data",
        key="owid-carbon-intensity",
        author="{Our World in Data} and {Ember}",
        title="Carbon intensity of electricity generation",
        url="https://ourworldindata.org/grapher/carbon-intensity-electricity",
        licence="CC BY 4.0",
    ),
    Source(
        mark="Google Cloud region carbon data",
        key="google-region-carbon",
        author="{Google Cloud}",
        title="Carbon free energy for Google Cloud regions",
        url="https://github.com/GoogleCloudPlatform/region-carbon-info",
        licence="Apache-2.0",
    ),
    Source(
        mark="CarbonCast",
        kind="inproceedings",
        key="maji2022carboncast",
        author="Maji, Diptyaroop and Shenoy, Prashant and Sitaraman, Ramesh K.",
        title="{CarbonCast}: multi-day forecasting of grid carbon intensity",
        where="Proc. 9th ACM Int. Conf. on Systems for Energy-Efficient Buildings, Cities, and Transportation",
        year="2022",
        doi="10.1145/3563357.3564079",
        licence="Apache-2.0 (data, v2.1)",
    ),
    Source(
        mark="EIA-930",
        key="eia930",
        author="{U.S. Energy Information Administration}",
        title="Hourly Electric Grid Monitor (Form EIA-930)",
        url="https://www.eia.gov/electricity/gridmonitor/",
        licence="public domain",
    ),
    Source(
        mark="IPCC",
        key="ipcc-ar5-annex3",
        author='Schl{\\"o}mer, Steffen and others',
        title="Annex {III}: Technology-specific cost and performance parameters",
        where="Climate Change 2014: Mitigation of Climate Change, Working Group III, IPCC AR5",
        year="2014",
        licence="published facts",
    ),
    Source(
        mark="Electricity Maps",
        key="electricity-maps",
        author="{Electricity Maps}",
        title="Carbon intensity data",
        url="https://www.electricitymaps.com",
        licence="ODbL, attribution required",
    ),
    Source(
        mark="WattTime",
        key="watttime",
        author="{WattTime}",
        title="Marginal operating emissions rate",
        url="https://watttime.org",
        licence="as agreed with WattTime",
    ),
    Source(
        mark="NESO",
        key="neso-carbon-intensity",
        author="{National Energy System Operator}",
        title="Carbon Intensity {API} for Great Britain",
        url="https://carbonintensity.org.uk",
        licence="CC BY 4.0",
    ),
    Source(
        mark="Green Algorithms",
        kind="article",
        key="lannelongue2021green",
        author='Lannelongue, Lo{\\"i}c and Grealey, Jason and Inouye, Michael',
        title="Green Algorithms: Quantifying the Carbon Footprint of Computation",
        where="Advanced Science",
        year="2021",
        doi="10.1002/advs.202100707",
        licence="CC BY 4.0",
    ),
    Source(
        mark="Cloud Carbon Footprint",
        key="cloud-carbon-footprint",
        author="{Thoughtworks}",
        title="Cloud Carbon Footprint: coefficients",
        url="https://www.cloudcarbonfootprint.org",
        licence="Apache-2.0",
    ),
)


def _texts(view: RunView, without: str) -> list[str]:
    """Return the texts of a bill that name where a figure comes from."""
    entry, header = view.entry, view.header
    if entry is None:
        return []
    signals = [
        f"{signal.source} {signal.vintage}" for name, signal in entry.signals.items() if name != without
    ]
    modelled = [
        entry.energy.method_notes.get(n, "") for n, k in entry.energy.method.items() if k == "modelled"
    ]
    models = {"cpu": header.cpu_model.source, "memory": header.memory_model.source}
    return [*signals, *modelled, *(models[n] for n in models if entry.energy.method.get(n) == "modelled")]


def sources_of(views: Sequence[RunView], *, without: str = "") -> tuple[Source, ...]:
    """Return the sources the bills rest on, in the order of the list above.

    Parameters
    ----------
    views : sequence of RunView
    without : str
        A signal that is not shown, like ``direct``, so that nothing is cited for it.
    """
    texts = [text for view in views for text in _texts(view, without)]
    return tuple(source for source in _SOURCES if any(source.mark in text for text in texts))


def unnamed_sources(views: Sequence[RunView]) -> tuple[str, ...]:
    """Return the intensities' sources that no known source stands for: files, constants."""
    signals = [s.source for v in views if v.entry is not None for s in v.entry.signals.values()]
    return tuple(t for t in dict.fromkeys(signals) if not any(source.mark in t for source in _SOURCES))
