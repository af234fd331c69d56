"""Past jobs of Slurm in the ledger: billed once, shared rightly, modelled where nothing was metered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.executors.sacct import FIELDS, read_sacct
from lowtide.runtime.billing import verify
from lowtide.runtime.config import load_config
from lowtide.runtime.importing import Imported, import_jobs, run_id_of
from lowtide.runtime.importing_power import modelled
from lowtide.stores.ledger import Ledger

SAVED = Path(__file__).parent / "sacct_22_05.txt"
LATER_NS = 1_795_280_000 * 10**9
J_PER_KWH = 3.6e6


def line(number: str, *, start: int, end: int, **changes: str) -> str:
    row = dict.fromkeys(FIELDS, "") | {
        "JobIDRaw": number, "JobName": "train", "User": "ada", "State": "COMPLETED", "Start": f"{start}",
        "End": f"{end}", "ElapsedRaw": f"{end - start}", "AllocTRES": "cpu=2,mem=4G,node=1", "NodeList": "n1",
        "ConsumedEnergyRaw": "0", "ExitCode": "0:0", "Cluster": "mini",
    }  # fmt: skip
    return "|".join((row | changes).values())


def imported(ledger: Ledger, *lines: str, pue: str | None = None, **given: Any) -> Imported:
    jobs, _ = read_sacct("\n".join(lines), path="x")
    config = load_config(env={}).with_flags({"intensity": "400", "pue": pue})
    return import_jobs(ledger, jobs, config, now_ns=LATER_NS, **given)


def energy_j(ledger: Ledger, run_id: str) -> float:
    entry = ledger.last_entry(run_id)
    assert entry is not None
    return float(entry["energy"]["total_kwh"]) * J_PER_KWH


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def test_jobs_of_a_real_cluster_sum_to_what_its_node_drew(ledger: Ledger) -> None:
    found = imported(ledger, *SAVED.read_text().splitlines())
    assert (len(found.run_ids), found.n_metered, found.n_modelled) == (16, 16, 0)
    assert found.skipped == {
        "ran for less than a second": 3, "never started": 1, "not ended (running)": 1, "not ended (pending)": 1,
    }  # fmt: skip
    total = sum(energy_j(ledger, run_id) for run_id in found.run_ids)
    # rows in which others lie count once: one and two 2507, arr 505, steps 1315, thr 1565, lic 4991; the last two
    # shared the node with a job that still runs: (499 + 488) / 2
    each = 1520 + 2507 + 1949 + 735 + 2001 + 505 + 1315 + 614 + 1565 + 4991 + 493.5
    assert total == pytest.approx(each)
    plain_sum = each + 2507 + 505 + 932 + 4991 + 493.5  # of sacct's column: whole nodes, twice
    assert total < 0.7 * plain_sum


def test_imported_again_nothing_is_new(ledger: Ledger) -> None:
    lines = SAVED.read_text().splitlines()
    first = imported(ledger, *lines)
    again = imported(ledger, *lines)
    assert (again.run_ids, again.n_known) == ((), 16)
    assert sorted(first.run_ids) == ledger.ids()
    part = imported(ledger, *lines[9:13])  # one that was requeued, asked for in another window
    assert (part.run_ids, part.n_known) == ((), 2)


def test_import_that_was_cut_short_is_made_good(ledger: Ledger) -> None:
    row = line("7", start=1000, end=1060, ConsumedEnergyRaw="6000")
    (run_id,) = imported(ledger, row).run_ids
    (Path(ledger.run_dir(run_id)) / "end.json").unlink()
    assert imported(ledger, row).run_ids == (run_id,)
    assert ledger.end(run_id) is not None


def test_run_says_where_its_energy_comes_from_and_can_be_verified(ledger: Ledger) -> None:
    one = line("7", start=1000, end=1060, ConsumedEnergyRaw="6000", Comment="mine", State="TIMEOUT")
    other = line("8", start=1000, end=1060, AllocTRES="cpu=6,mem=4G,node=1")
    found = imported(ledger, one, other, pue="1.5")
    run_id = next(run_id for run_id in found.run_ids if dict(ledger.header(run_id).tags)["slurm_job"] == "7")
    entry = ledger.last_entry(run_id)
    assert entry is not None
    assert energy_j(ledger, run_id) == pytest.approx(1500.0)  # 6000 J x 2 of 8 CPUs
    assert entry["emissions"]["location"]["g"] == pytest.approx(1500 / J_PER_KWH * 1.5 * 400)
    assert entry["energy"]["method"] == {"node": "gauge"}
    assert "allocation: shared among the jobs on the node" in entry["energy"]["method_notes"]["node"]
    tags = dict(ledger.header(run_id).tags)
    assert (tags["comment"], tags["slurm_state"], tags["slurm_cluster"]) == ("mine", "TIMEOUT", "mini")
    end = ledger.end(run_id)
    assert end is not None
    assert (end.exit_code, end.signal, end.note) == (None, 15, "Slurm: TIMEOUT")
    assert verify(ledger, run_id)["ok"]


def test_user_s_jobs_alone_become_runs_and_others_still_take_their_part(ledger: Ledger) -> None:
    mine = line("7", start=1000, end=1060, ConsumedEnergyRaw="6000")
    theirs = line("8", start=1000, end=1060, ConsumedEnergyRaw="6000", User="bob")
    (run_id,) = imported(ledger, mine, theirs, user="ada").run_ids
    assert energy_j(ledger, run_id) == pytest.approx(3000.0)
    assert not imported(ledger, mine, theirs, user="ada").notes


def test_one_user_s_rows_alone_are_told_to_be_too_few(ledger: Ledger) -> None:
    found = imported(ledger, line("7", start=1000, end=1060, ConsumedEnergyRaw="6000"))
    assert "only one user's jobs are in it" in found.notes[0]


def test_job_without_energy_is_modelled_with_a_range_and_says_so(ledger: Ledger) -> None:
    (run_id,) = imported(ledger, line("7", start=1000, end=4600)).run_ids
    entry = ledger.last_entry(run_id)
    assert entry is not None
    energy = entry["energy"]
    assert energy["method"] == {"node": "modelled"}
    assert energy["measured_fraction"] == 0.0
    assert 0.0 < energy["low_kwh"] < energy["total_kwh"] < energy["high_kwh"]
    assert (
        "no energy in sacct: modelled from AllocTRES, 2 CPUs busy all the time"
        in energy["method_notes"]["node"]
    )
    assert verify(ledger, run_id)["ok"]


def test_cpu_time_of_steps_says_how_busy_a_modelled_job_was() -> None:
    job = line("7", start=1000, end=1100)
    step = line("7.batch", start=1000, end=1100, TRESUsageInTot="cpu=00:00:50,mem=1M")
    (found,), _ = read_sacct("\n".join([job, step]), path="x")
    power = modelled(found, gpu=None)
    assert "2 CPUs busy 25% of the time" in power.note  # 50 s of 2 x 100 s
    (bare,), _ = read_sacct(job, path="x")
    assert power.power.power_w[0] < modelled(bare, gpu=None).power.power_w[0]


def test_modelled_accelerators_are_those_of_their_type(ledger: Ledger) -> None:
    typed = line("7", start=1000, end=4600, AllocTRES="cpu=8,gres/gpu=4,gres/gpu:v100=4,mem=64G")
    (run_id,) = imported(ledger, typed).run_ids
    assert energy_j(ledger, run_id) == pytest.approx(
        4 * 325.0 * 3600
    )  # metered in training: 325 W at the node
    blank = line("8", start=1000, end=4600, AllocTRES="cpu=8,gres/gpu=4,mem=64G")
    assert imported(ledger, blank).skipped == {
        "4 GPUs of a type that sacct does not tell: say which with --gpu A100": 1
    }
    assert imported(ledger, blank, gpu="V100").n_modelled == 1


def test_node_of_many_is_unknown_where_only_the_first_was_seen(ledger: Ledger) -> None:
    # srun ran on both nodes for 40 of 100 s; the batch step saw the first one throughout
    job = line("7", start=1000, end=1100, AllocTRES="cpu=8,node=2", NodeList="n[1-2]")
    batch = line("7.batch", start=1000, end=1100, NodeList="n1", ConsumedEnergyRaw="10000")
    step = line("7.0", start=1020, end=1060, NodeList="n[1-2]", ConsumedEnergyRaw="8000")
    (run_id,) = imported(ledger, job, batch, step).run_ids
    entry = ledger.last_entry(run_id)
    assert entry is not None
    assert entry["energy"]["known_time_fraction"] == pytest.approx(0.4)
    assert energy_j(ledger, run_id) == pytest.approx(40 * (100 + 100))  # n1 by its batch step, n2 by srun's


def test_counter_that_cannot_be_is_not_believed(ledger: Ledger) -> None:
    found = imported(ledger, line("7", start=1000, end=1060, ConsumedEnergyRaw="600000000"))  # 10 MW
    assert (found.n_metered, found.n_modelled) == (0, 1)


def test_components_are_billed_without_pue_and_that_is_told(ledger: Ledger) -> None:
    row = line("7", start=1000, end=1060, ConsumedEnergyRaw="6000")
    found = imported(ledger, row, pue="1.5", boundary="components")
    entry = ledger.last_entry(found.run_ids[0])
    assert entry is not None
    assert (entry["energy"]["boundary"], entry["pue"]) == ("components", None)
    assert "billed without it" in found.notes[-1]


def test_run_id_begins_with_the_job_s_start() -> None:
    (job,), _ = read_sacct(line("7", start=1000, end=1060), path="x")
    assert run_id_of(job).startswith("19700101T001640.000Z-")


def test_command_imports_a_file(tmp_path: Path) -> None:
    words = ["import", "sacct", str(SAVED), "--intensity", "400", "--ledger", str(tmp_path / "ledger")]
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 0, told.output
    assert "16 new runs (16 metered, 0 modelled), 0 known already" in told.output
    again = CliRunner().invoke(cli, [*words, "--json"])
    plain = json.loads(again.stdout)
    assert (plain["n_new"], plain["n_known"]) == (0, 16)
    assert {"reason": "never started", "n": 1} in plain["skipped"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "now-1day"], "--since is asked of sacct; a file is imported whole"),
        (["--gpu", "X9"], "--gpu 'X9': no accelerator of that name"),
        (["--utc-offset", "CET"], "cannot read 'CET' as an offset from UTC; write it like +01:00"),
    ],
)
def test_mistakes_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(cli, ["import", "sacct", str(SAVED), "--ledger", str(tmp_path), *words])
    assert isinstance(told.exception, ValueError)
    assert message in str(told.exception)
