"""Many ranks are one run: each records alone, what they share is read once, the killed lose a second at most."""

import os
import subprocess
import sys

import pytest
from rank_trials import trial

from lowtide.errors import StoreError
from lowtide.model.record import RankPlace
from lowtide.runtime.electing import NodeLock
from lowtide.runtime.joining import join_run
from lowtide.runtime.ranks import join_launch, read_place
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header

FULL = bool(os.environ.get("LOWTIDE_TEST_FULL"))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_killed_ranks_lose_a_second_at_most_and_the_shared_sensor_counts_once(tmp_path):
    n_ranks, n_kills, run_s = (64, 30, 10.0) if FULL else (8, 4, 3.0)
    result = trial(7, tmp_path, n_ranks=n_ranks, n_kills=n_kills, run_s=run_s)
    assert result["n_ranks"] == n_ranks
    assert result["n_survivors"] == n_ranks - n_kills
    assert result["survivors_short_s"] <= 0.1, result
    assert result["killed_short_s"] <= 1.0, result
    # the machine's package, once: 100 W for as long as it was read, which is nearly the whole run
    assert result["cpu_j"] == pytest.approx(result["truth_j"], rel=0.02), result
    assert result["rapl_s"] >= result["run_s"] - 1.5, result
    assert result["machine_rows"] <= 1.2 * result["machine_rows_of_one"] + 2 * (n_kills + 2), result
    assert result["billed_ranks"] in ([0], [])  # rank zero, if it lived
    assert result["left_behind"] == []


TORCH = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "8", "MASTER_ADDR": "n1",
         "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "2"}  # fmt: skip
SLURM = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "16", "SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0"}
OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_NAMESPACE": "prterun-n1-77@1"}
PMI = {"PMI_RANK": "2", "PMI_SIZE": "4", "SLURM_JOB_ID": "8"}


@pytest.mark.parametrize(
    ("env", "launcher", "rank", "n_ranks"),
    [(TORCH, "torchrun", 3, 8), (SLURM, "slurm", 5, 16), (OPEN_MPI, "mpi", 1, 4), (PMI, "mpi", 2, 4)],
    ids=["torchrun", "slurm", "openmpi", "pmi"],
)
def test_place_in_a_launch_is_read_from_its_environment(env, launcher, rank, n_ranks):
    place = read_place(env)
    assert (place.launcher, place.rank, place.n_ranks) == (launcher, rank, n_ranks)


def test_attempts_of_torchrun_are_one_launch():
    again = {**TORCH, "TORCHELASTIC_RUN_ID": "a7", "TORCHELASTIC_RESTART_COUNT": "3", "MASTER_PORT": "1"}
    first = {**again, "TORCHELASTIC_RESTART_COUNT": "0", "MASTER_PORT": "2"}
    assert read_place(first).key == read_place(again).key
    assert (read_place(first).attempt, read_place(again).attempt) == (0, 3)


@pytest.mark.parametrize(
    "env",
    [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "x", "WORLD_SIZE": "2"}, {"RANK": "9", "WORLD_SIZE": "2"},
     {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "1"}],
    ids=["none", "alone", "no-number", "beyond", "batch-script"],
)  # fmt: skip
def test_process_of_its_own_is_no_rank(env):
    assert read_place(env) is None


def test_name_of_the_launch_stands_for_its_environment():
    assert (
        read_place({**TORCH, "LOWTIDE_LAUNCH": "a"}).key != read_place({**TORCH, "LOWTIDE_LAUNCH": "b"}).key
    )


def place_of(rank, *, key="launch", attempt=0):
    return RankPlace(key=key, launcher="torchrun", rank=rank, n_ranks=2, attempt=attempt)


def header_of(number):
    return make_header(run_id=f"20260301T00000{number}.000Z-00000{number}")


def test_ranks_of_a_launch_find_one_run_and_a_taken_rank_begins_another(tmp_path):
    ledger = Ledger(str(tmp_path))
    first = join_launch(ledger, header_of(1), place_of(0))
    second = join_launch(ledger, header_of(2), place_of(1))
    assert first.run_id.split("/")[0] == second.run_id.split("/")[0] == header_of(1).run_id
    again = [join_launch(ledger, header_of(3 + rank), place_of(rank)).run_id for rank in (1, 0)]
    assert {run_id.split("/")[0] for run_id in again} == {header_of(4).run_id}
    restarted = join_launch(ledger, header_of(5), place_of(0, attempt=1))
    assert restarted.run_id == f"{header_of(1).run_id}/ranks/r0000-1"
    assert join_launch(ledger, header_of(6), place_of(0, key="other")).run_id.startswith(header_of(6).run_id)


def test_ranks_find_one_run_where_files_cannot_be_linked(tmp_path, monkeypatch):
    def no_links(*paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    ledger = Ledger(str(tmp_path))
    ids = {join_launch(ledger, header_of(r + 1), place_of(r)).run_id.split("/")[0] for r in (0, 1)}
    assert ids == {header_of(1).run_id}


def test_ledger_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="launch"):
        join_launch(Ledger(str(tmp_path / "file")), header_of(1), place_of(0))


def test_run_waits_for_ranks_that_have_not_come(tmp_path):
    ledger = Ledger(str(tmp_path))
    rank = join_launch(ledger, header_of(1), place_of(0))
    ledger.create(rank)
    run_id = header_of(1).run_id
    assert join_run(ledger, run_id) == "1 of 2 ranks are still at work, 1 of 2 ranks have not come"
    assert ledger.end(run_id) is None


def test_lock_passes_on_when_its_holder_dies(tmp_path):
    path = str(tmp_path / "machine.lock")
    code = (
        f"from lowtide.runtime.electing import NodeLock\nassert NodeLock({path!r}).try_take() or 1\n"
        f"lock = NodeLock({path!r}); assert lock.try_take(); print('held', flush=True); input()"
    )
    code = code.replace(f"assert NodeLock({path!r}).try_take() or 1\n", "")
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    mine = NodeLock(path)
    assert not mine.try_take()
    holder.kill()
    holder.communicate()
    assert mine.try_take()
    mine.release()
    assert not os.path.exists(path)


def test_lock_whose_file_was_removed_is_not_taken_for_the_new_one(tmp_path):
    path = str(tmp_path / "lock")
    first, second = NodeLock(path), NodeLock(path)
    assert first.try_take()
    os.unlink(path)
    assert second.try_take()  # a new file
    first.release()
    assert not NodeLock(str(tmp_path / "gone" / "lock")).try_take()
