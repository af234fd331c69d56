"""Hardware in words."""

from __future__ import annotations

from report_views import gpu_energy, make_bill, make_energy, make_entry, make_view

from lowtide.model.machine import Machine
from lowtide.reporting.hardware import gpu_names, gpu_words, hardware_words, machine_words, share_words


def test_sockets_count_on_bare_metal_only() -> None:
    bare = Machine(cpu_brand="AMD EPYC 7763", n_logical_cpus=256, n_sockets=2, memory_bytes=512 * 2**30)
    assert machine_words(bare) == "2 x AMD EPYC 7763, 256 logical CPUs, 512 GiB memory, Linux"
    guest = Machine(cpu_brand="AMD EPYC", n_logical_cpus=1, n_sockets=1, hypervisor=True, container="docker")
    assert machine_words(guest) == "AMD EPYC, 1 logical CPU, container (docker) in a virtual machine, Linux"
    assert machine_words(Machine(system="Darwin")) == "CPU (model not recorded), 1 logical CPU, Darwin"


def test_gpus_are_read_from_the_bill() -> None:
    view = make_view(entry=make_entry(make_bill(), energy=gpu_energy()))
    assert gpu_names(view) == ("NVIDIA H200", "NVIDIA H200")
    assert gpu_words(view) == "2 x NVIDIA H200"
    nameless = make_energy(method={"gpu": "gauge"}, method_notes={"gpu": "a meter"})
    assert gpu_words(make_view(entry=make_entry(None, energy=nameless))) == "GPU (model not recorded)"
    assert gpu_words(make_view()) == ""


def test_a_share_of_the_machine_is_said() -> None:
    assert share_words(make_view()) == ""
    assert share_words(make_view(cpu_share=0.5)) == "2.00 of 4 CPUs usable by the run"
    assert (
        share_words(make_view(memory_share=0.25)) == "4.00 of 4 CPUs, 25.0 % of the memory usable by the run"
    )


def test_hardware_is_listed_once() -> None:
    assert hardware_words([make_view("a"), make_view("b")]) == [
        "Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux"
    ]
    log = make_entry(None, energy=make_energy(attribution=None))
    assert hardware_words([make_view("c", entry=log)]) == ["machine not recorded (a power log)"]
