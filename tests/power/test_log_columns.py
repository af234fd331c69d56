"""What the columns of a power log are."""

from __future__ import annotations

import pytest

from lowtide.errors import BoundaryError, DataFileError
from lowtide.power.logs import read_power_log
from lowtide.testing.builders import START_NS

S = 10**9
ISO = "2026-03-01T00:00"
"""The minute that begins at START_NS."""


def energy_j(path, **options):
    return read_power_log(path, **options).power.energy_j()


@pytest.mark.parametrize(
    "name", ["power_w", "power_W", "total_w", "watts", "Power (W)", "W", "mean_power_w", "node_power_w"]
)
def test_columns_of_watts_by_their_names(write, name):
    log = read_power_log(write(f"t_s,{name}", "0,100", "1,100"), start_ns=START_NS)
    assert (log.columns, log.power.boundary) == ((name,), "node")


def test_kilowatts_are_scaled(write):
    assert energy_j(write("t_s,power_kw", "0,1.5", "1,1.5"), start_ns=START_NS) == 1500.0


def test_total_is_taken_before_its_parts_and_extremes(write):
    path = write("t_s,total_w,min_node_w,max_node_w,gpu_power_w", "0,100,1,2,3", "1,100,1,2,3")
    assert read_power_log(path, start_ns=START_NS).columns == ("total_w",)


def test_limit_is_no_power_drawn(write):
    path = write("t_s,power.limit [W],power.draw [W]", "0,700,100", "1,700,100")
    assert energy_j(path, start_ns=START_NS) == 100.0


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("gpu_power_w", "gpu"),
        ("gpu0_w,gpu1_w", "gpu"),
        ("cpu_w,dram_w,gpu_w", "components"),
        ("cpu_power_w", "chip"),
        ("facility_power_w", "facility"),
    ],
)
def test_parts_are_added_and_name_the_boundary(write, header, boundary):
    n = header.count(",") + 1
    log = read_power_log(write(f"t_s,{header}", "0" + ",100" * n, "1" + ",100" * n), start_ns=START_NS)
    assert (log.power.energy_j(), log.power.boundary, len(log.columns)) == (100.0 * n, boundary, n)


def test_given_boundary_is_kept(write):
    log = read_power_log(write("t_s,gpu_w", "0,1", "1,1"), start_ns=START_NS, boundary="node")
    assert log.power.boundary == "node"
    with pytest.raises(BoundaryError, match="unknown boundary 'rack'"):
        read_power_log(write("t_s,gpu_w", "0,1", "1,1"), start_ns=START_NS, boundary="rack")


@pytest.mark.parametrize(
    "header", ["gpu_w,gpu0_w,gpu1_w", "package_w,core_w", "cpu_w,package_w", "psu_a_w,psu_b_w"]
)
def test_columns_that_may_overlap_are_not_added_unasked(write, header):
    n = header.count(",") + 1
    path = write(f"t_s,{header}", "0" + ",100" * n, "1" + ",100" * n)
    with pytest.raises(
        DataFileError, match=r"several columns of watts that may overlap: .*name those to be added"
    ):
        read_power_log(path, start_ns=START_NS)
    asked = read_power_log(path, start_ns=START_NS, column=header.split(","))
    assert asked.power.energy_j() == 100.0 * n


def test_two_totals_are_refused(write):
    with pytest.raises(
        DataFileError, match="several columns of watts: total_w, node_w; name the one to be read"
    ):
        read_power_log(write("t_s,total_w,node_w", "0,1,1"), start_ns=START_NS)


def test_named_column_is_read_whatever_its_name(write):
    path = write("t_s,power,other", "0,100,1", "1,100,1")
    with pytest.raises(DataFileError, match=r"no column says that it holds watts.*--column 'power'"):
        read_power_log(path, start_ns=START_NS)
    assert energy_j(path, start_ns=START_NS, column="power") == 100.0


@pytest.mark.parametrize(
    ("column", "message"),
    [("powr", "no column 'powr'; did you mean power"), ("power_mw", "power_mw is not in W or kW")],
)
def test_named_column_that_cannot_be_read_is_refused(write, column, message):
    with pytest.raises(DataFileError, match=message):
        read_power_log(write("t_s,power,power_mw", "0,1,1"), start_ns=START_NS, column=column)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("lots", "'lots' is no number of watts"),
        ("1,5", "is no number of watts"),
        ("inf", "'inf' is no number of watts"),
    ],
)
def test_bad_watts_are_refused_with_their_line_and_column(write, cell, message):
    with pytest.raises(DataFileError, match=message) as caught:
        read_power_log(write("t_s;power_w", "0;100", f"1;{cell}", "2;100"), start_ns=START_NS)
    assert (caught.value.line, caught.value.column) == (3, 2)
