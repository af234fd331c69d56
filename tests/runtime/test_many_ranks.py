"""Many ranks are one run: each records alone, what they share is read once, the killed lose a second at most."""

import os
import subprocess
import sys

import pytest
from rank_trials import trial

from lowtide.errors import StoreError
from lowtide.model.hardware import Channel
from lowtide.model.record import RankPlace
from lowtide.runtime import electing, recorder
from lowtide.runtime.electing import NodeLock, duties
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


class Boards:
    """Reads GPUs of any maker; it has no list of UUIDs."""

    name = "amd"

    def __init__(self, in_scope, outside=()):
        self.channels = tuple(
            Channel(name=f"amd.{i}.{word}", sensor="amd", component="gpu", quantity=word, kind="gauge",
                    part=f"gpu/amd/{i}", in_scope=i in in_scope)
            for i in (*in_scope, *outside) for word in ("power", "utilization")
        )  # fmt: skip

    def read(self):
        return [1.0] * len(self.channels)

    def close(self):
        pass


def options_of(folder, run_id, elect_dir=""):
    (folder / "node").mkdir(exist_ok=True)
    return {"run_id": run_id, "parent_run_id": None, "presence_dir": str(folder / "node"), "cpu_share": 0.5,
            "memory_share": 0.5, "sensors": "auto", "elect_dir": elect_dir, "writer": run_id[-7:]}  # fmt: skip


def claims_of(sensors):
    return {c.name: value for sensor in sensors for c, value in zip(sensor.channels, sensor.read(), strict=True)
            if c.quantity in ("claims", "shares")}  # fmt: skip


class Begun:
    """A recorder that only holds its sensors."""

    def __init__(self, sensors):
        self.sensors = sensors

    def tick(self):
        pass

    def finish(self):
        for sensor in self.sensors:
            sensor.close()


def test_every_rank_announces_the_gpus_it_reads_and_a_launch_counts_once(tmp_path, monkeypatch):
    """Two launches of two ranks, each rank with its own one of two GPUs, and one launch that has them all to itself."""
    held, found = [], {}

    def start(launch, rank, gpu):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", str(gpu))
        monkeypatch.setattr(electing, "_opened", lambda _: ([Boards([gpu], outside=[7])], []))
        (tmp_path / launch).mkdir(exist_ok=True)
        options = options_of(tmp_path, f"{launch}/ranks/r000{rank}-0", str(tmp_path / launch))

        def begin(sensors, writer, notes):
            assert notes == []
            found[launch, writer] = sensors
            return Begun(sensors)

        held.extend(duties(options, begin))
        for duty in held[-2:]:
            duty.tick()

    for launch in ("a", "b"):
        for rank in (0, 1):
            start(launch, rank, rank)
    for launch in ("a", "b"):
        for rank in (0, 1):
            sensors = found[launch, f"r000{rank}-0-gpus"]
            assert claims_of(sensors) == {f"claims.gpu/amd/{rank}": 2.0}
        assert claims_of(found[launch, "r0000-0-machine"]) == {
            "node.cpu_shares": 1.0,
            "node.memory_shares": 1.0,
        }
    start("c", 0, 5)
    start("c", 1, 5)
    assert claims_of(found["c", "r0000-0-gpus"]) == {"claims.gpu/amd/5": 1.0}
    for duty in held:
        duty.finish()
    assert os.listdir(tmp_path / "node") == []


def test_rank_that_cannot_announce_its_gpus_reads_them_and_says_so(tmp_path):
    boards = Boards([0])
    options = {**options_of(tmp_path, "a/ranks/r0000-0"), "presence_dir": ""}
    assert electing._with_claims([boards], options, "w") == (
        [boards], "w", ["this recording is announced to no other run on the node"]
    )  # fmt: skip


def test_run_announces_the_gpus_in_scope_of_every_sensor(tmp_path, monkeypatch):
    boards = Boards([0, 3], outside=[5])
    monkeypatch.setattr("lowtide.runtime.sensing.open_sensors", lambda *_, **__: ([boards], []))
    opened, notes = recorder._open_sensors(electing.Nobody(), options_of(tmp_path, "run"))
    assert notes == []
    assert claims_of(opened) == {
        "node.cpu_shares": 0.5, "node.memory_shares": 0.5, "claims.gpu/amd/0": 1.0, "claims.gpu/amd/3": 1.0
    }  # fmt: skip
    for sensor in opened:
        sensor.close()
