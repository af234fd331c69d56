"""The report as Markdown."""

from __future__ import annotations

from dataclasses import replace

from report_views import failed_view, gpu_energy, make_bill, make_energy, make_entry, make_view, marginal_view

from lowtide.model.record import Gap
from lowtide.reporting.markdown import escaped, report_markdown
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_S


def section(text: str, title: str) -> list[str]:
    """Return the lines of one section."""
    body = text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in body.splitlines() if line]


def test_the_table_of_runs_has_ranges_boundary_and_status() -> None:
    lines = section(report_markdown([make_view("a"), failed_view("b")], False), "Runs")
    assert lines[0] == (
        "| run | id | status | started | duration | energy (range) | at the | measured | CO2e (range) | of the |"
    )
    assert lines[1] == "| --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: | --- |"
    assert lines[2] == (
        "| a | 20260301T000000Z-00000a | finished | 2026-03-01T00:00Z | 1h | 2.00 kWh (1.60 to 2.60) | node | 50 % "
        "| 800 g (600 to 1100) | node |"
    )
    assert lines[3].endswith("| failed (exit 3) | 2026-03-01T00:00Z | 30m | 2.00 kWh (1.60 to 2.60) | node | 50 % "
                             "| unknown |  |")  # fmt: skip


def test_methods_say_what_is_modelled_and_what_is_left_out() -> None:
    text = report_markdown([make_view("a", entry=make_entry(make_bill(), energy=gpu_energy()))], False)
    energy = section(text, "Energy")
    assert energy[0].startswith(
        "Energy was recorded by lowtide 0.1.0: counters, gauges and CPU time were read every 1s."
    )
    assert any(line.startswith("Without a PUE, cooling and power distribution") for line in energy)
    assert "| a | cpu | 250 Wh | modelled: TDP; builder |" in energy
    assert "The manufacture of the hardware is not in the figures: nothing is known of it." in section(
        text, "Carbon"
    )
    hardware = section(text, "Hardware")
    assert hardware[0].startswith("Not recorded: Python packages, utilization")
    assert (
        hardware[-1]
        == "| a | 2 x NVIDIA H200 | Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux | all of it |"
    )


def test_use_has_mean_cpus_and_write_speed() -> None:
    row = section(report_markdown([make_view("a")], False), "Use")[-1]
    # 7200 CPU seconds and 3600 MiB written in 3600 s
    assert row == "| a | 2h | 2.00 | 2.00 GiB | 0 B | 3.52 GiB | 1.00 MiB/s | 3601 |"


def test_the_signal_has_source_and_vintage_and_the_data_their_licence() -> None:
    lines = section(report_markdown([make_view("a")], False), "Intensity and sources")
    assert lines == [
        "Data behind the figures: Carbon intensity of electricity generation, by Our World in Data, Ember (CC BY 4.0).",
        "- location: DE; average, factors lifecycle, flow production; Our World in Data / Ember 2023, "
        "values of level 2023",
    ]


def test_a_file_of_the_user_is_named_as_one() -> None:
    bill = make_bill(source="file my_grid.csv", vintage="")
    lines = section(report_markdown([make_view("a", entry=make_entry(bill))], False), "Intensity and sources")
    assert lines[0] == "Data behind the figures: file my\\_grid.csv (given by the user)."


def test_gaps_are_listed_or_said_not_to_be() -> None:
    assert section(report_markdown([make_view("a")], False), "Gaps") == [
        "None: every channel answered all the time."
    ]
    gap = Gap(start_ns=START_NS, end_ns=START_NS + 90 * NS_PER_S, channel="rapl|0", reason="no reading")
    view = make_view("a", entry=make_entry(make_bill(), gaps=(gap,)))
    assert section(report_markdown([view], False), "Gaps")[-1] == (
        "| a | 2026-03-01T00:00:00Z | 1m30s | rapl\\|0 | no reading |"
    )


def test_ranges_say_how_they_were_made() -> None:
    lines = section(report_markdown([make_view("a"), make_view("b")], False), "Ranges")
    assert lines[0].startswith("Ranges are 90 % intervals.")
    assert lines[1].startswith("Over several runs, ranges of runs are added as they are")
    assert "| a | intensity | 650 g | 1.05 kg |" in lines


def test_repriced_runs_list_all_their_bills() -> None:
    first, second = make_entry(make_bill()), make_entry(make_bill(g=80.0, low_g=70.0, high_g=90.0), id="0002")
    view = replace(make_view("a", entry=second), entries=(first, second))
    lines = section(report_markdown([view], False), "Bills")
    assert lines[-2].startswith("| a | 0001 | 2026-03-01T01:00:05Z | 800 g (600 to 1100) |")
    assert lines[-2].endswith("| superseded |")
    assert lines[-1].endswith("| in force |")
    assert "## Bills" not in report_markdown([make_view("a")], False)


def test_average_and_marginal_have_rows_of_their_own_and_no_sum() -> None:
    text = report_markdown([make_view("a"), marginal_view()], True)
    rows = section(text, "Carbon")
    assert (
        "| a | location | 800 g (600 to 1100) | node | DE | average lifecycle | 400 g/kWh | typical |" in rows
    )
    assert any(
        "| m | marginal | 1.00 kg (0.900 to 1.20) | node | US-CAL-CISO | marginal lifecycle" in row
        for row in rows
    )
    assert "carbon not summed" in text
    assert "What it is like" not in text


def test_equivalences_come_when_asked() -> None:
    assert "## What it is like" in report_markdown([make_view("a")], True)
    assert "## What it is like" not in report_markdown([make_view("a")], False)


def test_runs_of_one_name_are_told_apart() -> None:
    views = [
        make_view("a", run_id="20260301T000000Z-abcdef"),
        make_view("a", run_id="20260301T000000Z-ghijkl"),
    ]
    text = report_markdown(views, False)
    assert "| a abcdef | cpu |" in text
    assert "| a ghijkl | cpu |" in text


def test_nothing_in_a_name_means_anything() -> None:
    assert escaped("a|b <i>_*x*_ $y$ `c`") == "a\\|b \\<i\\>\\_\\*x\\*\\_ \\$y\\$ \\`c\\`"
    assert "| \\<b\\>\\| |" in report_markdown([make_view("<b>|")], False)


def test_commands_and_hosts_stay_out() -> None:
    text = report_markdown([make_view("a", command=("train", "--token", "secret"), host="node17")], False)
    assert "secret" not in text
    assert "node17" not in text


def test_unknown_time_and_running_runs_are_said() -> None:
    gappy = make_view(
        "a", end=None, entry=make_entry(make_bill(), energy=make_energy(known_time_fraction=0.9))
    )
    text = report_markdown([gappy], False)
    assert "a (20260301T000000Z-00000a): power is unknown for 10 % of the time, which is left out." in text
    assert "| running | 2026-03-01T00:00Z | not ended |" in text


def test_a_log_says_nothing_of_a_machine() -> None:
    energy = make_energy(
        attribution=None, by_component={"node_kwh": 2.0}, method={"node": "gauge"}, method_notes={}
    )
    text = report_markdown([make_view("a", entry=make_entry(make_bill(), energy=energy))], False)
    assert "Energy of logs is the integral of the power they hold" in text
    assert "Example CPU" not in text


def test_no_runs_say_so() -> None:
    assert (
        report_markdown([], True)
        == "# Energy and carbon of 0 runs\n\n## In short\n\nThere are no runs to report.\n"
    )
