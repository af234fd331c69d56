"""The devices of a power log, and what nvidia-smi writes."""

from __future__ import annotations

import pytest

from lowtide.errors import DataFileError
from lowtide.model.record import Gap
from lowtide.power.logs import read_power_log
from lowtide.testing.builders import START_NS

S = 10**9
ISO = "2026-03-01T00:00"
"""The minute that begins at START_NS."""


def energy_j(path, **options):
    return read_power_log(path, **options).power.energy_j()


def test_duplicates_that_agree_are_merged(write):
    log = read_power_log(write("t_s,power_w", "0,100", "1,200", "1,200", "2,100"), start_ns=START_NS)
    assert (log.power.energy_j(), log.n_rows, log.n_duplicates) == (300.0, 4, 1)


def test_duplicates_that_disagree_are_refused_with_their_line(write):
    with pytest.raises(DataFileError, match="two readings of one instant differ, 100 W and 300 W") as caught:
        read_power_log(write("t_s,power_w", "0,100", "1,100", "1,300", "2,1"), start_ns=START_NS)
    assert caught.value.line == 4


def test_duplicates_of_one_device_are_averaged(write):
    # several readings within the resolution of the stamps, by a device that is named
    path = write("t_s,index,power_w", "0,0,100", "1,0,100", "1,0,300", "2,0,200")
    log = read_power_log(path, start_ns=START_NS)
    assert log.power.power_w.tolist() == [150.0, 200.0]
    assert log.n_duplicates == 1


def test_name_of_a_model_tells_no_devices_apart(write):
    with pytest.raises(DataFileError, match="add a column index or uuid that tells them apart"):
        read_power_log(
            write("t_s,gpu,power_w", "0,NVIDIA H100,100", "0,NVIDIA H100,300", "1,NVIDIA H100,9"),
            start_ns=START_NS,
        )


def test_devices_are_added_each_by_its_own_readings(write):
    # GPU 0: 100 W for 4 s; GPU 1: 50 to 150 W in the middle 2 s
    path = write(
        "t_s,gpu_uuid,power_w", "0,GPU-0,100", "1,GPU-1,50", "2,GPU-0,100", "3,GPU-1,150", "4,GPU-0,100"
    )
    log = read_power_log(path, start_ns=START_NS)
    assert log.devices == ("GPU-0", "GPU-1")
    assert log.power.energy_j() == 600.0
    assert log.power.power_w.tolist() == [100.0, 200.0, 200.0, 100.0]


def test_gap_of_one_device_does_not_cost_the_others(write):
    rows = [f"{t},{node},100" for t in range(31) for node in (1, 2) if node == 1 or not 10 < t < 30]
    log = read_power_log(write("t_s,node,power_w", *rows), start_ns=START_NS)
    assert log.power.energy_j() == 4000.0  # 30 s x 100 W and 10 s x 100 W
    assert log.gaps == (
        Gap(start_ns=START_NS + 10 * S, end_ns=START_NS + 30 * S, channel="2", reason="no reading for 20 s"),
    )


def test_device_that_comes_late_or_never_reads_is_a_gap(write):
    rows = [f"{t},a,100,0" for t in range(21)] + [f"{t},b,100,0" for t in range(9, 21)] + ["3,c,[N/A],0"]
    log = read_power_log(write("t_s,host,power_w,x", *rows), start_ns=START_NS)
    assert [(g.channel, (g.end_ns - g.start_ns) / S, g.reason) for g in log.gaps] == [
        ("c", 20.0, "fewer than two readings"),
    ]
    log = read_power_log(write("t_s,host,power_w,x", *rows), start_ns=START_NS, max_gap_s=5.0)
    assert ("b", 9.0, "no reading") in [(g.channel, (g.end_ns - g.start_ns) / S, g.reason) for g in log.gaps]


def test_host_and_device_together_tell_devices_apart(write):
    rows = [f"{t},{host},{gpu},100" for t in (0, 1) for host in ("a", "b") for gpu in (0, 1)]
    log = read_power_log(write("t_s,host,gpu,power_w", *rows), start_ns=START_NS)
    assert (log.devices, log.power.energy_j()) == (("a/0", "a/1", "b/0", "b/1"), 400.0)


def test_index_that_numbers_the_rows_is_no_device(write):
    log = read_power_log(write("index,t_s,power_w", "0,0,100", "1,1,100", "2,2,100"), start_ns=START_NS)
    assert (log.devices, log.power.energy_j()) == ((), 200.0)


SMI = (
    "timestamp, index, uuid, power.draw [W], power.limit [W], utilization.gpu [%]",
    "2026/03/01 00:00:00.000, 0, GPU-5f00-a1, 100.00 W, 700.00 W, 10 %",
    "2026/03/01 00:00:00.004, 1, GPU-5f00-b2, 200.00 W, 700.00 W, 10 %",
    "2026/03/01 00:00:01.000, 0, GPU-5f00-a1, 300.00 W, 700.00 W, 10 %",
    "2026/03/01 00:00:01.004, 1, GPU-5f00-b2, [N/A], 700.00 W, 10 %",
    "2026/03/01 00:00:02.000, 0, GPU-5f00-a1, 300.00 W, 700.00 W, 10 %",
    "2026/03/01 00:00:02.004, 1, GPU-5f00-b2, 200.00 W, 700.00 W, 10 %",
)


def test_nvidia_smi_log(write):
    log = read_power_log(write(*SMI), utc_offset="Z")
    assert log.power.energy_j() == pytest.approx(500.0, rel=1e-12)  # GPU 0: 200 + 300; GPU 1 is unknown
    assert (log.power.boundary, log.devices) == ("gpu", ("GPU-5f00-a1", "GPU-5f00-b2"))
    assert [(gap.channel, gap.reason) for gap in log.gaps] == [("GPU-5f00-b2", "failed reading")]


def test_nvidia_smi_log_without_units_and_with_its_header_again(write):
    lines = [line.replace(" W", "").replace(" %", "") for line in SMI]
    again = [lines[0], *lines[1:5], lines[0], *lines[5:]]
    assert energy_j(write(*again), utc_offset="Z") == energy_j(write(*SMI), utc_offset="Z")


def test_nvidia_smi_log_with_naive_stamps_asks_for_the_offset(write):
    with pytest.raises(
        DataFileError, match=r"'2026/03/01 00:00:00.000' has no time zone; say which: --utc-offset"
    ):
        read_power_log(write(*SMI))


def test_nvidia_smi_log_without_header_is_told_so(write):
    with pytest.raises(DataFileError, match="the first line looks like data, a header is needed"):
        read_power_log(write(*SMI[1:]), utc_offset="Z")


def test_plain_power_draw_is_taken_before_its_variants(write):
    path = write("timestamp, power.draw.average [W], power.draw [W], power.draw.instant [W]",
                 f"{ISO}:00Z, 1 W, 100 W, 2 W", f"{ISO}:01Z, 1 W, 100 W, 2 W")  # fmt: skip
    assert energy_j(path) == 100.0
