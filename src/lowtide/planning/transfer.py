"""Data that must travel before a job can run elsewhere than at home.

Decided: data leave the first site when the window opens; the job cannot start elsewhere before they have
arrived; the energy of the network is drawn at home, on its intensity, price and PUE, spread over the way. It
is paid once for every site a plan uses, whatever the plan does there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lowtide.model.planning import Segment, Window
from lowtide.planning.sites import SiteOption
from lowtide.units import J_PER_KWH

__all__ = ["ready", "transfers"]


def ready(sites: Sequence[SiteOption], home: SiteOption, window: Window) -> list[SiteOption]:
    """Return the sites, each not before its data have arrived from `home`."""
    return [
        site
        if site.zone == home.zone or site.transfer is None or not site.transfer.time_ns
        else replace(site, not_before_ns=window.start_ns + site.transfer.time_ns)
        for site in sites
    ]


def transfers(
    zones: Sequence[str], sites: Sequence[SiteOption], home: SiteOption, window: Window
) -> list[Segment]:
    """Return a segment for the data of every zone that is used and is not home; none where it takes no energy.

    Parameters
    ----------
    zones : sequence of str
        Where a plan runs.
    sites : sequence of SiteOption
    home : SiteOption
        Where the data are.
    window : Window
    """
    found = []
    for site in sites:
        way = site.transfer
        if site.zone in zones and site.zone != home.zone and way is not None and way.energy_kwh:
            segment = Segment(
                zone=home.zone,
                start_ns=window.start_ns,
                end_ns=window.start_ns + way.time_ns,
                throughput=0.0,
                power_w=way.energy_kwh * J_PER_KWH / way.time_s,
                kind="transfer",
            )
            found.append(segment)
    return found
