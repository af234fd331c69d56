"""Reading the machine and its limits from a tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.model.machine import Machine
from lowtide.power.hardware import _cpuinfo_blocks, read_machine, usable_share
from lowtide.power.hardware_elsewhere import parse_identifier, read_machine_elsewhere
from lowtide.power.limits import count_cpu_list

EPYC = """processor\t: {i}
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7763 64-Core Processor
stepping\t: 1
physical id\t: {socket}
siblings\t: 4
core id\t\t: {core}
cpu cores\t: 2
flags\t\t: fpu vme avx2{flags}
address sizes\t: 48 bits physical, 48 bits virtual
power management:

"""

GRACE = """processor\t: {i}
BogoMIPS\t: 2000.00
Features\t: fp asimd sve2
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd4f
CPU revision\t: 0

"""


def write(root: Path, **files: str) -> str:
    """Write files given as path=text, with ``__`` for a slash; return the root."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def put(root: Path, path: str, text: str) -> None:
    """Write one file whose name no keyword can spell."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def two_sockets(flags: str = "") -> str:
    """Return the cpuinfo of two sockets with two cores of two threads."""
    spots = [(s, c) for s in (0, 1) for c in (0, 1) for _ in (0, 1)]
    blocks = [EPYC.format(i=i, socket=s, core=c, flags=flags) for i, (s, c) in enumerate(spots)]
    return "".join(blocks)


def test_bare_metal_server(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        proc__cpuinfo=two_sockets(),
        proc__meminfo="MemTotal:       16384 kB\nMemFree: 1 kB\n",
    )
    assert read_machine(root) == Machine(
        cpu_brand="AMD EPYC 7763 64-Core Processor",
        cpu_vendor="AuthenticAMD",
        cpu_family=25,
        cpu_model=1,
        cpu_stepping=1,
        n_logical_cpus=8,
        n_physical_cores=4,
        n_sockets=2,
        memory_bytes=16 * 2**20,
        hypervisor=False,
        container=None,
        system="Linux",
    )


def test_hypervisor_flag_makes_a_virtual_machine(tmp_path: Path) -> None:
    assert read_machine(write(tmp_path, proc__cpuinfo=two_sockets(" hypervisor"))).hypervisor


def test_arm_server_is_known_by_implementer_and_part(tmp_path: Path) -> None:
    write(tmp_path, proc__cpuinfo="".join(GRACE.format(i=i) for i in range(4)))
    for i in range(4):
        put(tmp_path, f"sys/devices/system/cpu/cpu{i}/topology/physical_package_id", "0\n")
        put(tmp_path, f"sys/devices/system/cpu/cpu{i}/topology/core_id", f"{i}\n")
    machine = read_machine(str(tmp_path))
    assert (machine.cpu_vendor, machine.cpu_model, machine.cpu_stepping) == ("0x41", 0xD4F, 0)
    assert (machine.n_logical_cpus, machine.n_physical_cores, machine.n_sockets) == (4, 4, 1)
    assert not machine.hypervisor


@pytest.mark.parametrize(
    ("vendor", "product", "virtual"),
    [
        ("Amazon EC2", "m7g.large", True),
        ("Amazon EC2", "m7g.metal", False),
        ("Google", "Google Compute Engine", True),
        ("Microsoft Corporation", "Virtual Machine", True),
        ("QEMU", "KVM Virtual Machine", True),
        ("NVIDIA", "Grace CPU P5041", False),
    ],
)
def test_arm_virtual_machine_is_known_by_firmware(
    tmp_path: Path, vendor: str, product: str, virtual: bool
) -> None:
    write(tmp_path, proc__cpuinfo=GRACE.format(i=0))
    put(tmp_path, "sys/class/dmi/id/sys_vendor", vendor + "\n")
    put(tmp_path, "sys/class/dmi/id/product_name", product + "\n")
    assert read_machine(str(tmp_path)).hypervisor is virtual


def test_empty_root_is_a_machine_of_which_nothing_is_known(tmp_path: Path) -> None:
    assert read_machine(str(tmp_path)) == Machine()


def test_online_list_counts_cpus_that_cpuinfo_does_not_show(tmp_path: Path) -> None:
    put(tmp_path, "sys/devices/system/cpu/online", "0-3,8\n")
    assert read_machine(str(tmp_path)).n_logical_cpus == 5


def test_garbage_cpuinfo_gives_no_error(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_bytes(
        b"\xff\xfe: \x00\nprocessor : 0\nmodel : many\ncpu family : 0x\nmodel name : \xf0\n: :\n"
    )
    (tmp_path / "proc/meminfo").write_text("MemTotal: lots kB\nMemTotal:\n")
    machine = read_machine(str(tmp_path))
    assert (machine.cpu_family, machine.cpu_model, machine.memory_bytes) == (None, None, None)
    assert machine.n_logical_cpus == 1


@given(st.text(max_size=400))
def test_any_text_can_be_read_as_cpuinfo(text: str) -> None:
    assert isinstance(_cpuinfo_blocks(text), list)


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", "", "podman"),
        ("run/systemd/container", "lxc\n", "lxc"),
        ("run/systemd/container", "systemd-nspawn\n", "other"),
        ("proc/1/cgroup", "0::/kubepods/besteffort/pod1\n", "kubernetes"),
        ("proc/self/cgroup", "4:memory:/docker/ab12\n", "docker"),
        (".singularity.d/env", "", "other"),
        ("proc/1/cgroup", "0::/init.scope\n", None),
    ],
)
def test_container_is_known_by_its_marks(tmp_path: Path, path: str, text: str, kind: str | None) -> None:
    put(tmp_path, path, text)
    assert read_machine(str(tmp_path)).container == kind


FOUR = Machine(n_logical_cpus=4, memory_bytes=16 * 2**30)


def test_nothing_limits_by_default(tmp_path: Path) -> None:
    share = usable_share(str(tmp_path), machine=FOUR)
    assert (share.cpu, share.memory, share.reason) == (1.0, 1.0, "")


def test_affinity_limits_the_cpus(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__status="Name:\tx\nCpus_allowed_list:\t1,3\n")
    share = usable_share(root, machine=FOUR)
    assert share.cpu == 0.5  # 2 of 4
    assert share.reason == "CPU affinity to 2 of 4 CPUs"


def test_affinity_to_possible_cpus_beyond_those_online_is_no_limit(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__status="Cpus_allowed_list:\t0-127\n")
    assert usable_share(root, machine=FOUR).cpu == 1.0


def test_cgroup_2_quota_and_memory_limit(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/job/step\n")
    put(tmp_path, "sys/fs/cgroup/job/step/cpu.max", "150000 100000\n")
    put(tmp_path, "sys/fs/cgroup/job/step/memory.max", f"{8 * 2**30}\n")
    share = usable_share(root, machine=FOUR)
    assert share.cpu == 0.375  # 1.5 of 4
    assert share.memory == 0.5  # 8 of 16 GB
    assert share.reason == (
        "control group quota of 1.5 of 4 CPUs; control group memory limit of 8.0 of 16.0 GB"
    )


def test_limit_of_a_group_above_binds(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/job/step\n")
    put(tmp_path, "sys/fs/cgroup/job/step/cpu.max", "max 100000\n")
    put(tmp_path, "sys/fs/cgroup/job/cpu.max", "200000 100000\n")
    assert usable_share(root, machine=FOUR).cpu == 0.5


def test_cgroup_1_in_a_container_whose_path_is_the_hosts(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n")
    put(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n")
    put(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{4 * 2**30}\n")
    share = usable_share(root, machine=FOUR)
    assert (share.cpu, share.memory) == (0.25, 0.25)


def test_cgroup_1_without_limits(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="4:memory:/\n3:cpu:/\n")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    share = usable_share(root, machine=FOUR)
    assert (share.cpu, share.memory) == (1.0, 1.0)


def test_path_outside_the_namespace_falls_back_to_the_mount(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/../../other\n")
    put(tmp_path, "sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert usable_share(root, machine=FOUR).cpu == 0.25


def test_memory_limit_of_a_machine_of_unknown_size_is_no_share(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/\n")
    put(tmp_path, "sys/fs/cgroup/memory.max", "1000\n")
    assert usable_share(root, machine=Machine(n_logical_cpus=4)).memory == 1.0


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_list_counts_what_it_names(cpus: set[int]) -> None:
    assert count_cpu_list(",".join(map(str, sorted(cpus)))) == len(cpus)


@pytest.mark.parametrize("text", ["", "a", "0-", "0-b", "1,,2"])
def test_unreadable_cpu_list_counts_nothing(text: str) -> None:
    assert count_cpu_list(text) in (0, 1)  # "0-" reads as the CPU 0


def test_this_machine_can_be_read() -> None:
    machine = read_machine()
    assert machine.n_logical_cpus >= 1
    share = usable_share()
    assert 0 < share.cpu <= 1
    assert 0 < share.memory <= 1


def test_operating_system_answers_where_there_is_no_proc() -> None:
    machine = read_machine_elsewhere()
    assert machine.n_logical_cpus >= 1
    assert machine.memory_bytes is None or machine.memory_bytes > 2**20


def test_windows_identifier_gives_cpuid() -> None:
    text = "Intel64 Family 6 Model 85 Stepping 7, GenuineIntel"
    assert parse_identifier(text) == ("GenuineIntel", 6, 85, 7)
    assert parse_identifier("arm") == ("", None, None, None)
