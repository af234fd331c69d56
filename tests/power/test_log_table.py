"""CSV and Parquet files as tables of readings."""

from __future__ import annotations

import pytest

from lowtide.errors import DataFileError, MissingExtraError
from lowtide.power.log_table import TextTable
from lowtide.power.logs import read_power_log
from lowtide.testing.builders import START_NS

S = 10**9
ISO = "2026-03-01T00:00"
"""The minute that begins at START_NS."""


def energy_j(path, **options):
    return read_power_log(path, **options).power.energy_j()


def test_line_that_a_killed_logger_left_unended_is_passed_over(write):
    path = write("t_s,node,power_w", "0,1,100", "1,1,100", "2,1", end="")
    assert read_power_log(path, start_ns=START_NS).n_rows == 2


def test_short_line_in_the_middle_is_refused(write):
    with pytest.raises(DataFileError, match="2 fields where the header has 3") as caught:
        read_power_log(write("t_s,node,power_w", "0,1,100", "1,1", "2,1,100"), start_ns=START_NS)
    assert caught.value.line == 3


@pytest.mark.parametrize("sep", [";", "\t", ", "])
def test_separators_comments_blank_lines_and_endings(tmp_path, sep):
    text = f"# a log\r\n\r\nt_s{sep}power_w{sep}note\r\n0{sep}100{sep}\r\n\r\n1{sep}100{sep}x\r\n"
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode("utf-8-sig"))
    assert energy_j(path, start_ns=START_NS) == 100.0


def test_log_in_utf_16_as_a_windows_shell_writes_it(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("t_s,power_w\r\n0,100\r\n1,100\r\n".encode("utf-16"))
    assert energy_j(path, start_ns=START_NS) == 100.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"\xff\x00\x81\x00", "this is no text"),
        (b"a,b\n\x00\n", "this is a binary file"),
        (b"power_w\n100\n", "one column only, 'power_w'"),
        (b"a,b\n1,2\n", "no column says when: there are a, b"),
    ],
)
def test_file_that_is_no_power_log_is_refused(tmp_path, data, message):
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    with pytest.raises(DataFileError, match=message):
        read_power_log(path, start_ns=START_NS)


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataFileError, match="no such file; a power log is a CSV or Parquet file"):
        read_power_log(tmp_path / "log.csv")
    with pytest.raises(DataFileError, match="cannot be opened"):
        read_power_log(tmp_path)


def test_parquet_with_elapsed_seconds(parquet):
    path = parquet(t_s=[0.0, 1.0, 2.0], power_w=[100, 300, 300])
    assert energy_j(path, start_ns=START_NS) == 500.0


def test_parquet_with_nodes_and_milliseconds(parquet):
    t_ms = START_NS // 10**6
    path = parquet(
        node=[1, 2, 1, 2], time_ms=[t_ms, t_ms, t_ms + 1000, t_ms + 1000], power_w=[100, 50, 100, 50]
    )
    log = read_power_log(path)
    assert (log.power.energy_j(), log.devices, log.power.start_ns) == (150.0, ("1", "2"), START_NS)


def test_parquet_with_typed_instants(parquet):
    pa = pytest.importorskip("pyarrow")
    stamps = [START_NS // 1000, START_NS // 1000 + 10**6]
    aware = parquet(when=pa.array(stamps, pa.timestamp("us", tz="Europe/Berlin")), power_w=[100.0, 100.0])
    assert read_power_log(aware).power.start_ns == START_NS
    naive = parquet(when=pa.array(stamps, pa.timestamp("us")), power_w=[100.0, 100.0])
    with pytest.raises(DataFileError, match=r"row 1: when: '2026-03-01T00:00:00.000000' has no time zone"):
        read_power_log(naive)
    assert read_power_log(naive, utc_offset="Z").power.start_ns == START_NS


def test_parquet_with_nulls_and_text(parquet):
    pa = pytest.importorskip("pyarrow")
    path = parquet(
        timestamp=[f"{ISO}:00Z", f"{ISO}:01Z", f"{ISO}:02Z"],
        power_w=pa.array([100, None, 100], pa.int32()),
        uuid=pa.array(["GPU-a", "GPU-a", "GPU-a"]).dictionary_encode(),
    )
    log = read_power_log(path)
    assert (log.power.energy_j(), log.devices) == (200.0, ("GPU-a",))


def test_broken_parquet_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1 and nothing of the kind")
    with pytest.raises(DataFileError, match="not a readable Parquet file"):
        read_power_log(path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1")

    def not_there(name):
        raise ImportError(name)

    monkeypatch.setattr("lowtide.power.log_table.import_module", not_there)
    with pytest.raises(MissingExtraError, match=r"pip install 'lowtide\[parquet\]'"):
        read_power_log(path)


def test_text_table_reads_from_memory_what_the_csv_module_reads():
    table = TextTable("log.csv", b'a,b\n"1,5",2\n')
    assert table.columns([1, 0]) == [["2"], ["1,5"]]
