"""The cache: what it keeps, what it gives back, and what becomes of a broken file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.grid.cache import Cache
from lowtide.grid.cache_file import default_cache_path, is_network_disk, open_file
from lowtide.grid.cache_rows import BLOCK_NS
from lowtide.model.signal import Spread
from lowtide.testing.builders import START_NS, intensity_series

HOUR_NS = 3600 * 10**9
YEAR = (START_NS, START_NS + 8760 * HOUR_NS)


@pytest.fixture
def cache(tmp_path):
    opened = Cache(str(tmp_path / "folder" / "cache.sqlite"))
    yield opened
    opened.close()


def values(kept):
    return kept.intensity.intensity_g_per_kwh.tolist()


def test_what_is_put_in_comes_out(cache):
    spread = Spread(hours=(1.0, 24.0), low_fraction=(0.8, 0.9), high_fraction=(1.2, 1.1), note="n")
    series = intensity_series([100.0, 200.0, 300.0], zone="DE", spread=spread, status="estimated")
    key = cache.put("p", series, fetched_ns=7, updated_ns=np.array([1, 2, 3]))
    kept = cache.get(key, YEAR)
    assert kept is not None
    assert values(kept) == [100.0, 200.0, 300.0]
    assert kept.intensity.signal == series.signal
    assert kept.intensity.status.tolist() == [1, 1, 1]
    assert (kept.updated_ns.tolist(), kept.fetched_ns.tolist()) == ([1, 2, 3], [7, 7, 7])
    assert (key.provider, key.zone, key.step_ns) == ("p", "DE", HOUR_NS)


def test_window_takes_the_steps_that_reach_into_it(cache):
    key = cache.put("p", intensity_series([1.0, 2.0, 3.0, 4.0], zone="DE"), fetched_ns=1)
    kept = cache.get(key, (START_NS + HOUR_NS // 2, START_NS + 2 * HOUR_NS))
    assert values(kept) == [1.0, 2.0]
    assert cache.get(key, (START_NS + 4 * HOUR_NS, START_NS + 5 * HOUR_NS)) is None


def test_unknown_steps_and_holes_come_back_unknown(cache):
    cache.put("p", intensity_series([1.0, np.nan], zone="DE"), fetched_ns=1)
    key = cache.put("p", intensity_series([5.0], zone="DE", start_ns=START_NS + 4 * HOUR_NS), fetched_ns=1)
    kept = cache.get(key, YEAR)
    np.testing.assert_array_equal(kept.intensity.intensity_g_per_kwh, [1.0, np.nan, 5.0])
    assert np.diff(kept.intensity.edges_ns).tolist() == [HOUR_NS, 3 * HOUR_NS, HOUR_NS]
    assert kept.fetched_ns.tolist() == [1, -1, 1]


def test_unknown_never_replaces_what_is_known(cache):
    cache.put("p", intensity_series([1.0, 2.0], zone="DE"), fetched_ns=1)
    key = cache.put("p", intensity_series([np.nan, 3.0], zone="DE"), fetched_ns=2)
    assert values(cache.get(key, YEAR)) == [1.0, 3.0]


def test_revised_value_replaces_the_old_one_and_both_can_be_told_apart(cache):
    key = cache.put("p", intensity_series([100.0, 200.0], zone="DE", status="estimated"), fetched_ns=10)
    cache.put("p", intensity_series([100.0, 220.0], zone="DE"), fetched_ns=20)
    cache.put("p", intensity_series([100.0, 230.0], zone="DE"), fetched_ns=30)
    assert values(cache.get(key, YEAR)) == [100.0, 230.0]
    assert values(cache.get(key, YEAR, as_of_ns=15)) == [100.0, 200.0]
    assert cache.get(key, YEAR, as_of_ns=15).intensity.status.tolist() == [1, 1]
    assert values(cache.get(key, YEAR, as_of_ns=20)) == [100.0, 220.0]
    assert values(cache.get(key, YEAR, as_of_ns=29)) == [100.0, 220.0]
    assert cache.get(key, YEAR, as_of_ns=9) is None


def test_confirmed_value_was_known_since_it_was_learnt(cache):
    series = intensity_series([100.0], zone="DE")
    key = cache.put("p", series, fetched_ns=10)
    cache.put("p", series, fetched_ns=50)
    assert cache.get(key, YEAR).fetched_ns.tolist() == [50]
    assert values(cache.get(key, YEAR, as_of_ns=10)) == [100.0]


def test_older_news_of_the_source_is_no_news(cache):
    new, old = intensity_series([100.0], zone="DE"), intensity_series([90.0], zone="DE")
    key = cache.put("p", new, fetched_ns=10, updated_ns=np.array([5]))
    cache.put("p", old, fetched_ns=20, updated_ns=np.array([4]))
    assert values(cache.get(key, YEAR)) == [100.0]


def test_basis_factors_and_step_are_kept_apart(cache):
    keys = {
        cache.put("p", intensity_series([1.0], zone="DE"), fetched_ns=1),
        cache.put("p", intensity_series([2.0], zone="DE", factors="direct"), fetched_ns=1),
        cache.put("p", intensity_series([3.0], zone="DE", basis="marginal"), fetched_ns=1),
        cache.put("p", intensity_series([4.0], zone="DE", step_s=300.0), fetched_ns=1),
        cache.put("q", intensity_series([5.0], zone="DE"), fetched_ns=1),
    }
    assert len(keys) == 5
    assert set(cache.series("DE")) == keys
    assert sorted(values(cache.get(key, YEAR))[0] for key in keys) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [key.factors for key in cache.series("DE", provider="p", basis="average", factors="direct")] == [
        "direct"
    ]
    assert cache.series("FR") == []


def test_forecasts_are_kept_by_their_issue(cache):
    for issued, g in ((10, 1.0), (30, 3.0), (20, 2.0)):
        key = cache.put_forecast(
            "p", intensity_series([g], zone="DE", status="forecast"), issued_ns=issued, fetched_ns=issued
        )
    issued, newest = cache.forecast(key, YEAR)
    assert (issued, newest.intensity_g_per_kwh.tolist(), newest.status.tolist()) == (30, [3.0], [2])
    assert cache.forecast(key, YEAR, issued_until_ns=25)[0] == 20
    assert cache.forecast(key, (YEAR[1], YEAR[1] + 1)) is None


def test_overview_counts_values(cache):
    cache.put("p", intensity_series([1.0, np.nan, 3.0], zone="DE"), fetched_ns=1)
    ((key, n, first_ns, last_ns),) = cache.zones()
    assert (key.zone, n, first_ns, last_ns) == ("DE", 2, START_NS, START_NS + 3 * HOUR_NS)
    assert cache.zones("q") == []


def test_questions_are_remembered(cache):
    cache.note_asked("p", "DE", "average", "lifecycle", (0, 100), 7)
    assert cache.asked("p", "DE", "average", "lifecycle", (50, 60)) == [(0, 100, 7)]
    assert cache.asked("p", "DE", "average", "lifecycle", (100, 160)) == []
    assert cache.asked("p", "DE", "average", "direct", (50, 60)) == []


def test_values_on_both_sides_of_a_block_are_one_series(cache):
    start_ns = (START_NS // BLOCK_NS + 1) * BLOCK_NS - 2 * HOUR_NS
    key = cache.put("p", intensity_series([1.0, 2.0, 3.0, 4.0], zone="DE", start_ns=start_ns), fetched_ns=1)
    assert values(cache.get(key, (start_ns, start_ns + 4 * HOUR_NS))) == [1.0, 2.0, 3.0, 4.0]
    # a window that starts after the block's edge still gets the step that reaches into it
    assert values(cache.get(key, (start_ns + HOUR_NS + 1, start_ns + 3 * HOUR_NS))) == [2.0, 3.0]


@settings(max_examples=50)
@given(
    puts=st.lists(
        st.lists(
            st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=8, unique_by=lambda p: p[0]
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_last_word_counts_and_every_earlier_one_can_be_asked_for(puts):
    """A plain dict, updated put by put, says what should be known after each."""
    cache = Cache(":memory:")
    known: dict[int, float] = {}
    history = []
    for i, rows in enumerate(puts, start=1):
        for hour, g in sorted(rows):
            series = intensity_series([float(g)], zone="DE", start_ns=START_NS + hour * 20 * HOUR_NS)
            key = cache.put("p", series, fetched_ns=i)
            known[hour] = float(g)
        history.append(dict(known))
    for i, then in enumerate(history, start=1):
        kept = cache.get(key, YEAR, as_of_ns=i)
        told = kept.intensity.intensity_g_per_kwh
        assert told[~np.isnan(told)].tolist() == [then[hour] for hour in sorted(then)]
    cache.close()


@pytest.mark.parametrize(
    "junk", [b"this is no database at all, not even close" * 50, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_damaged_file_is_moved_aside_with_one_line(tmp_path, junk):
    path = tmp_path / "cache.sqlite"
    path.write_bytes(junk)
    said = []
    cache = Cache(str(path), say=said.append)
    key = cache.put("p", intensity_series([1.0], zone="DE"), fetched_ns=1)
    assert values(cache.get(key, YEAR)) == [1.0]
    cache.close()
    assert len(said) == 1
    assert "is damaged" in said[0]
    (aside,) = tmp_path.glob("cache.sqlite.damaged-*Z")
    assert aside.read_bytes() == junk
    assert str(aside) in said[0]


def test_page_damaged_in_the_middle_is_no_crash(tmp_path):
    path = tmp_path / "cache.sqlite"
    cache = Cache(str(path))
    key = cache.put("p", intensity_series(np.arange(8760.0), zone="DE"), fetched_ns=1)
    cache.close()
    data = bytearray(path.read_bytes())
    data[4096:12288] = b"\xaa" * 8192
    path.write_bytes(data)
    said = []
    again = Cache(str(path), say=said.append)
    again.get(key, YEAR)
    again.put("p", intensity_series([1.0], zone="DE"), fetched_ns=1)
    assert values(again.get(key, (START_NS, START_NS + HOUR_NS))) == [1.0]
    again.close()
    assert len(said) == 1


def test_file_out_of_reach_is_replaced_by_memory(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    said = []
    cache = Cache(str(blocker / "cache.sqlite"), say=said.append)
    key = cache.put("p", intensity_series([1.0], zone="DE"), fetched_ns=1)
    assert values(cache.get(key, YEAR)) == [1.0]
    assert len(said) == 1
    assert "going on without it" in said[0]
    cache.close()


def test_file_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "cache.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    said = []
    cache = Cache(str(path), say=said.append)
    cache.put("p", intensity_series([1.0], zone="DE"), fetched_ns=1)
    cache.close()
    assert "a later lowtide made it, version 99" in said[0]
    assert path.exists()


def test_looking_makes_no_file(tmp_path):
    cache = Cache(str(tmp_path / "cache.sqlite"))
    assert cache.series("DE") == []
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, numpy as np
from lowtide.grid.cache import Cache
from lowtide.testing.builders import START_NS, intensity_series
path, zone, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
cache = Cache(path, say=print)
for i in range(1, n + 1):
    cache.put("p", intensity_series(np.full(2000, float(i)), zone=zone), fetched_ns=i)
    print(i, flush=True)
cache.close()
"""


def start_writer(path, zone, n):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), zone, str(n)], stdout=subprocess.PIPE, text=True
    )


def test_several_processes_write_at_once(tmp_path):
    path = tmp_path / "cache.sqlite"
    writers = [start_writer(path, zone, 5) for zone in ("A", "B", "A", "C")]
    told = [writer.communicate(timeout=60)[0].split() for writer in writers]
    assert told == [["1", "2", "3", "4", "5"]] * 4
    cache = Cache(str(path))
    for zone in "ABC":
        (key,) = cache.series(zone)
        assert values(cache.get(key, YEAR)) == [5.0] * 2000
    cache.close()


def test_writer_that_is_killed_leaves_whole_puts(tmp_path):
    path = tmp_path / "cache.sqlite"
    writer = start_writer(path, "A", 100_000)
    assert writer.stdout is not None
    for _ in range(3):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=10)
    writer.stdout.close()
    said = []
    cache = Cache(str(path), say=said.append)
    (key,) = cache.series("A")
    found = values(cache.get(key, YEAR))
    assert said == []
    assert len(set(found)) == 1  # all of one put, none of the next
    assert found[0] >= 3.0
    cache.close()


def test_a_year_of_one_zone_answers_within_20_ms(tmp_path):
    path = str(tmp_path / "cache.sqlite")
    cache = Cache(path)
    series = intensity_series(np.random.default_rng(0).random(8760) * 500, zone="DE")
    cache.put("p", series, fetched_ns=1)
    cache.close()
    took_s = []
    for _ in range(7):
        began = time.perf_counter()
        opened = Cache(path)
        (key,) = opened.series("DE")
        kept = opened.get(key, YEAR)
        took_s.append(time.perf_counter() - began)
        opened.close()
        np.testing.assert_array_equal(kept.intensity.intensity_g_per_kwh, series.intensity_g_per_kwh)
    assert sorted(took_s)[3] <= 0.020  # a cold file handle each time; the median of seven


def test_write_ahead_log_on_a_disk_of_one_host(tmp_path):
    db = open_file(str(tmp_path / "c.sqlite"))
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    db.close()


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("/home/a/c", True),
        ("/scratch/c", True),
        ("/homes/c", False),
        ("/home/local/c", False),
        ("/tmp/c", False),
    ],
)
def test_disks_that_hosts_share(path, shared):
    mounts = ["r / ext4 rw", "s:/h /home nfs4 rw", "l /scratch lustre rw", "d /home/local xfs rw"]
    assert is_network_disk(path, mounts=mounts) is shared


def test_default_file_is_in_the_users_cache():
    assert default_cache_path().endswith(os.path.join("lowtide", "intensity.sqlite"))


def test_folder_is_no_cache_and_that_is_said(tmp_path):
    said = []
    opened = Cache(str(tmp_path), say=said.append)
    opened.put("mine", intensity_series([100.0, 200.0], zone="DE"), fetched_ns=0)
    assert said == [
        f"the cache {tmp_path} is a folder and must be a file (setting cache, LOWTIDE_CACHE); going on without it"
    ]
    opened.close()
