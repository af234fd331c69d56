"""What waiting and pausing save for eleven trainings, and what is left of it when a pause costs something.

    python examples/dodge_tables.py [FILE]

The tables 4 and 5 of Dodge et al. 2022 (arXiv 2206.05229) take the marginal intensity of 16 regions in 2020, which is
not public. Without FILE the typical profiles that ship with lowtide stand in: average intensity, 15 zones, a mean over
weather. FILE is a real year of any zones, such as Electricity Maps' hourly data. The level is then another and the
shape is to be compared: short jobs gain by waiting, long ones only by pausing, and at a slack in percent long jobs gain
alike.

The paper's pauses are free. The last lines charge them: each resume takes ten minutes at running power without
progress (loading the checkpoint, warming up, and work lost since the checkpoint), planned exactly with that cost, on
hourly decisions and one start a month but December, whose windows would pass the end.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import lowtide as lt
from lowtide.model.jobs import Job, OperatingPoint, Window
from lowtide.planning.plan import plan
from lowtide.planning.policies import pause_resume
from lowtide.planning.sites import SiteOption
from lowtide.planning.swept import SweepJob, SweepResult
from lowtide.runtime.config import load_config
from lowtide.runtime.sweeping import intensities_of

JOBS = {
    "BERT-ft": (6, 3.1),
    "BERT-LM": (36, 37.3),
    "6B": (192, 13812.4),
    "D121": (0.3, 0.02),
    "D169": (0.3, 0.03),
    "D201": (0.4, 0.04),
    "ViT-Ti": (19, 1.7),
    "ViT-S": (19, 2.2),
    "ViT-B": (21, 4.7),
    "ViT-L": (90, 93.3),
    "ViT-H": (216, 237.6),
}
"""Hours and energy [kWh] of each training, table 2."""

SLACKS = ("6h", "12h", "18h", "24h", "25%", "50%", "75%", "100%")
PAPER = {
    ("24h", "flexible-start"): (14.5, 3.4, 0.5, 26.8, 26.4, 25.9, 5.6, 5.3, 4.2, 1.3, 0.5),
    ("24h", "pause-resume"): (19.0, 8.5, 2.5, 27.7, 27.3, 27.1, 12.5, 12.3, 11.7, 4.7, 2.4),
    ("100%", "flexible-start"): (7.0, 4.1, 2.6, 1.8, 2.5, 2.7, 5.0, 4.8, 3.9, 3.3, 3.0),
    ("100%", "pause-resume"): (9.5, 11.0, 11.4, 2.0, 2.8, 3.1, 11.0, 11.0, 10.8, 11.4, 11.3),
}
"""Savings [%] the paper prints, tables 4 and 5."""

ZONES = (
    "AU-QLD", "DE", "ES", "PL", "SE", "US-CAL-CISO", "US-FLA-FPL", "US-MIDA-PJM", "US-MIDW-MISO", "US-NE-ISNE",
    "US-NW-BPAT", "US-NY-NYIS", "US-SE-SOCO", "US-SW-AZPS", "US-TEX-ERCO",
)  # fmt: skip
RESUME_S = 600.0
N_ZONES, N_MONTHS = 1, 11
"""Zones and months of the starts that are planned with pauses that cost something."""


def table_of(result: SweepResult) -> str:
    """Return savings by slack and policy, mean over zones, the paper's below its own."""
    means = {(mean.slack, mean.policy, mean.job): mean.mean_saving_fraction for mean in result.over_zones()}
    lines = [line_of("slack", "policy", JOBS)]
    for slack in SLACKS:
        for policy in ("flexible-start", "pause-resume"):
            savings = [means[slack, policy, name] for name in JOBS]
            lines.append(line_of(slack, policy, [percent(saving) for saving in savings]))
            if (slack, policy) in PAPER:
                lines.append(line_of("", "  paper", [f"{saving:.1f}" for saving in PAPER[slack, policy]]))
    return "\n".join(lines)


def line_of(slack: str, policy: str, cells: object) -> str:
    """Return one line of a table."""
    return f"{slack:5} {policy:15}" + "".join(f"{cell:>8}" for cell in cells)  # type: ignore[attr-defined]


def percent(fraction: float | None) -> str:
    """Return a saving in percent, or a dash where it is unknown."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def saving(site: SiteOption, start_ns: int, hours: float, slack: str, resume_s: float) -> float | None:
    """Return what pausing saves for one start, each resume taking `resume_s`."""
    work_s = hours * 3600.0
    slack_s = work_s if slack == "100%" else 24 * 3600.0
    job = Job(work_s=work_s, points=(OperatingPoint(throughput=1.0, power_w=1000.0),), resume_time_s=resume_s)
    window = Window(start_ns=start_ns, deadline_ns=start_ns + round((work_s + slack_s) * 1e9))
    best = plan(job, [site], window, policies=[pause_resume]).best
    return None if best is None else best.saving_fraction


def costed_table(sites: list[SiteOption], starts_ns: list[int]) -> str:
    """Return savings of pausing for free and at its cost, the same starts and zones in both lines."""
    lines = [line_of("slack", "pause-resume", JOBS)]
    for slack in ("24h", "100%"):
        for title, resume_s in (("  free", 0.0), ("  10 min each", RESUME_S)):
            cells = []
            for hours, _ in JOBS.values():
                savings = [saving(site, t, hours, slack, resume_s) for site in sites for t in starts_ns]
                known = [one for one in savings if one is not None]
                cells.append(percent(sum(known) / len(known)) if known else "-")
            lines.append(line_of(slack, title, cells))
    return "\n".join(lines)


def main(file: str | None = None) -> None:
    """Sweep 60 starts, five a month, of a year in slots of five minutes; then eleven with a cost of pausing."""
    year = {} if file else {"start": "2027-01-01T00:00Z", "end": "2028-01-01T00:00Z"}
    config = load_config(env={}).with_flags({"intensity": file} if file else {})
    zones = intensities_of(config, () if file else ZONES, **year)
    series = {name or "given": one for name, one in zones.items()}
    jobs = [SweepJob(name=name, duration_s=hours * 3600.0) for name, (hours, _) in JOBS.items()]
    result = lt.sweep(jobs, series, slacks=SLACKS, slot="5m", starts_per_month=5, seed=1, with_pauses=False)
    what = "the file" if file else "typical profiles"
    print(f"savings against run-now in %, mean over {len(series)} zones and 60 starts; {what}")
    print(table_of(result))

    sites = [SiteOption(zone=name, intensity=one) for name, one in list(series.items())[1 : 1 + N_ZONES]]
    first = datetime.fromtimestamp(sites[0].intensity.start_ns / 1e9, tz=UTC).year
    starts = [
        round(datetime(first, m, 5, 12, tzinfo=UTC).timestamp()) * 10**9 for m in range(1, N_MONTHS + 1)
    ]
    names = ", ".join(site.zone for site in sites)
    print(f"\nthe same when a resume takes ten minutes: {names}, one start a month in January to November")
    print(costed_table(sites, starts))


if __name__ == "__main__":
    main(*sys.argv[1:2])
