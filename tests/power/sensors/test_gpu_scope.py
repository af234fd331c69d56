"""Which GPUs a process may use, by everything that may say so."""

from __future__ import annotations

import os

import pytest

from lowtide.power.sensors.gpu_scope import gpus_in_scope, gpus_of_host, may_open_gpu

UUIDS = [f"GPU-{i}{i}{i}{i}" for i in range(8)]
ALL = tuple(range(8))


@pytest.mark.parametrize(
    ("environ", "indices"),
    [
        ({}, ALL),
        ({"CUDA_VISIBLE_DEVICES": "2,3"}, (2, 3)),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "GPU-5555"}, (5,)),
        ({"CUDA_VISIBLE_DEVICES": "MIG-new"}, (6,)),
        ({"CUDA_VISIBLE_DEVICES": "MIG-unknown"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "MIG-GPU-4444/1/0,MIG-GPU-4444/2/0"}, (4,)),
        ({"CUDA_VISIBLE_DEVICES": "1", "NVIDIA_VISIBLE_DEVICES": "none", "SLURM_STEP_GPUS": "7"}, (1,)),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, ALL),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, ALL),
        ({"NVIDIA_VISIBLE_DEVICES": ""}, ALL),
        ({"NVIDIA_VISIBLE_DEVICES": "none"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "6,7"}, (6, 7)),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-3333,GPU-1111"}, (3, 1)),
        ({"NVIDIA_VISIBLE_DEVICES": "all", "SLURM_STEP_GPUS": "0"}, (0,)),
        ({"SLURM_STEP_GPUS": "2", "SLURM_JOB_GPUS": "2,3"}, (2,)),
        ({"SLURM_JOB_GPUS": "4-6"}, (4, 5, 6)),
        ({"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices"}, ALL),
        ({"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices", "SLURM_JOB_GPUS": "5"}, (5,)),
        ({"NVIDIA_VISIBLE_DEVICES": "nvidia.com/gpu=2,nvidia.com/gpu=GPU-3333"}, (2, 3)),
        ({"NVIDIA_VISIBLE_DEVICES": "nvidia.com/gpu=all"}, ALL),
        ({"NVIDIA_VISIBLE_DEVICES": "4:0,4:1,6:0"}, (4, 6)),
    ],
)
def test_first_that_says_anything_decides(environ, indices):
    found = gpus_in_scope(environ, UUIDS, mig_parent={"MIG-new": 6}.get)
    assert found.indices == indices


@pytest.mark.parametrize(
    "container", ["/var/run/nvidia-container-devices", "nvidia.com/gpu=3", "3:1", "GPU-of-another-name"]
)
def test_container_with_one_gpu_has_it_however_it_was_named(container):
    assert gpus_in_scope({"NVIDIA_VISIBLE_DEVICES": container}, UUIDS[:1]).indices == (0,)


@pytest.mark.parametrize("variable", ["NVIDIA_VISIBLE_DEVICES", "SLURM_STEP_GPUS"])
def test_numbers_of_the_host_mean_nothing_where_only_the_own_gpus_show(variable):
    # the runtime gave GPUs 6 and 7 of the host, which are 0 and 1 here
    assert gpus_in_scope({variable: "6,7"}, UUIDS[:2]).indices == (0, 1)


def test_device_the_control_group_keeps_is_out_of_scope():
    found = gpus_in_scope({}, UUIDS, may_open=lambda i: i != 3)
    assert found.indices == (0, 1, 2, 4, 5, 6, 7)
    assert found.reason == "the control group"


def test_missing_device_file_forbids_nothing(tmp_path):
    assert may_open_gpu(0, dev=str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_device_file_that_may_not_be_opened_does(tmp_path):
    (tmp_path / "nvidia0").write_text("")
    os.chmod(tmp_path / "nvidia0", 0)
    assert not may_open_gpu(0, dev=str(tmp_path))


@pytest.mark.parametrize(
    ("environ", "indices"),
    [
        ({}, ALL),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, (1, 0)),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        # the container or the batch system left one GPU, which CUDA calls 0
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "3", "NVIDIA_VISIBLE_DEVICES": "GPU-3"}, (3,)),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "3"}, (3,)),
        ({"CUDA_VISIBLE_DEVICES": "1", "SLURM_JOB_GPUS": "2,5"}, (5,)),
        ({"NVIDIA_VISIBLE_DEVICES": "nvidia.com/gpu=4"}, (4,)),
        ({"NVIDIA_VISIBLE_DEVICES": "nvidia.com/gpu=all", "CUDA_VISIBLE_DEVICES": "2"}, (2,)),
        # the batch system does not constrain devices, so CUDA is told the host's numbers
        ({"CUDA_VISIBLE_DEVICES": "1,3", "SLURM_STEP_GPUS": "1,3"}, (1, 3)),
        ({"CUDA_VISIBLE_DEVICES": "GPU-5", "SLURM_STEP_GPUS": "3,5"}, (5,)),
        # nothing tells which of the host's they are
        ({"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices", "CUDA_VISIBLE_DEVICES": "0"}, ()),
        (
            {"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices", "CUDA_VISIBLE_DEVICES": "GPU-5"},
            (5,),
        ),
        ({"CUDA_VISIBLE_DEVICES": "MIG-a"}, ()),
        # the only board it can be on
        ({"CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b", "SLURM_STEP_GPUS": "6,2"}, (6,)),
        ({"CUDA_VISIBLE_DEVICES": "MIG-a", "NVIDIA_VISIBLE_DEVICES": "7:1"}, (7,)),
    ],
)
def test_gpus_among_all_of_the_host(environ, indices):
    assert gpus_of_host(environ, UUIDS, with_mig={6, 7}).indices == indices
