"""Measuring a block: what it bills, what it never does to the caller's code."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import lowtide
from lowtide.errors import QuantityError, ZoneError
from lowtide.stores.ledger import Ledger


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_block_is_billed_with_energy_and_carbon():
    with lowtide.measure(name="block", intensity=400, interval=0.1) as m:
        burn(0.5)
    assert m.result.energy.total_kwh > 0
    location = m.result.emissions.location
    assert location.g == pytest.approx(m.result.energy.total_kwh * 400)
    assert m.result.energy.dynamic_kwh > 0
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    assert ledger.header(m.run_id).name == "block"
    assert ledger.end(m.run_id).exit_code == 0


def test_dynamic_energy_is_the_block_s_cpu_time_times_the_model():
    began_s = time.process_time()
    with lowtide.measure(interval=0.1) as m:
        burn(0.6)
    used_s = time.process_time() - began_s
    header = Ledger(os.environ["LOWTIDE_LEDGER"]).header(m.run_id)
    w_per_cpu = (header.cpu_model.full_w - header.cpu_model.idle_w) / header.machine.n_logical_cpus
    # 0.6 s of one CPU, and what of lowtide's own start and end in this process falls between the readings
    assert 0.6 * w_per_cpu <= m.result.energy.dynamic_kwh * 3.6e6 <= (used_s + 0.05) * w_per_cpu


def test_exception_passes_through_and_the_run_is_failed():
    with pytest.raises(KeyError, match="mine"), lowtide.measure(name="fails", interval=0.1) as m:
        raise KeyError("mine")
    assert Ledger(os.environ["LOWTIDE_LEDGER"]).end(m.run_id).exit_code == 1


@pytest.mark.parametrize(("code", "status"), [(75, 75), (None, 0), (0, 0), ("no disk", 1), (256 + 3, 3)])
def test_block_that_leaves_the_program_has_its_exit_status(code, status):
    # as Python ends: a number as it is (its low byte), nothing is 0, words are 1
    with pytest.raises(SystemExit), lowtide.measure(name="leaves", interval=0.1) as m:
        sys.exit(code)
    assert Ledger(os.environ["LOWTIDE_LEDGER"]).end(m.run_id).exit_code == status


def test_counts_make_the_sci():
    with lowtide.measure(intensity=400, per="1000:image", interval=0.1) as m:
        m.count("image", 1500)
        m.count("image", 500)
    assert m.result.sci.denominator == 2.0


def test_mistakes_are_raised_on_entering():
    with pytest.raises(ZoneError, match="DEE"), lowtide.measure(zone="DEE"):
        pass
    with pytest.raises(QuantityError, match="pue"), lowtide.measure(pue=0.5):
        pass


def test_decorated_function_returns_its_value_and_is_a_run_of_its_name():
    @lowtide.measured
    def add(a, b):
        """Add."""
        return a + b

    @lowtide.measured(name="named", pue=1.1)
    def nothing():
        return None

    assert add(2, b=3) == 5
    assert add.__doc__ == "Add."
    nothing()
    names = [name for _, name in Ledger(os.environ["LOWTIDE_LEDGER"]).names()]
    assert names == ["add", "named"]


def test_ledger_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lowtide.measure(ledger=str(tmp_path / "file"), interval=0.1) as m:
            value = 1 + 1
    assert value == 2
    assert m.result is None
    assert any("cannot write the ledger" in str(w.message) for w in caught)


def test_killed_process_still_gets_its_bill(tmp_path):
    code = (
        "import lowtide, os, signal, time\n"
        "with lowtide.measure(name='killed', intensity=400, interval=0.1) as m:\n"
        "    end = time.process_time() + 0.5\n"
        "    while time.process_time() < end: pass\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    time.sleep(0.3)
    shown = subprocess.run(
        [sys.executable, "-m", "lowtide", "show", "killed", "--json"], capture_output=True, text=True
    )
    document = json.loads(shown.stdout)
    assert document["status"] == "incomplete"
    assert document["energy"]["dynamic_kwh"] > 0
    assert document["exit_code"] is None


def test_no_process_is_left_behind():
    with lowtide.measure(interval=0.1) as m:
        pass
    time.sleep(0.3)
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            left += [path] if m.run_id.encode() in path.read_bytes() else []
        except OSError:
            continue
    assert left == []


@pytest.mark.parametrize(
    ("before", "has_numpy"),
    [
        ("", False),
        ("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)", False),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", True),
        ("import numpy", True),
    ],
    ids=["plain", "children ignored", "two threads", "numpy"],
)
def test_block_of_a_small_program_is_billed_and_leaves_it_small(before, has_numpy):
    code = (
        f"{before}\nimport sys, lowtide\n"
        "with lowtide.measure(name='small', zone='DE', interval=0.1) as m: pass\n"
        "print(m.result.emissions.location.g, 'numpy' in sys.modules, m.run_id)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    grams, found, run_id = done.stdout.split()
    assert float(grams) > 0.0
    assert found == str(has_numpy or sys.platform == "darwin")
    assert Ledger(os.environ["LOWTIDE_LEDGER"]).last_entry(run_id) is not None


def test_bill_that_cannot_be_kept_is_a_warning_wherever_it_is_made():
    code = (
        "import os, warnings, lowtide\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    with lowtide.measure(zone='DE', interval=0.1) as m:\n"
        "        entries = os.environ['LOWTIDE_LEDGER'] + f'/runs/{m.run_id}/entries'\n"
        "        os.rmdir(entries); open(entries, 'w').close()\n"
        "print(m.result, [str(w.message) for w in caught])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("None [")
    assert "is not billed yet (" in done.stdout
