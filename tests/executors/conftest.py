"""Fixtures of the tests with a real Slurm: one cluster for all of them, left as it was found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import mend, slurm_cluster
from submit_trials import cancel_all


@pytest.fixture(scope="session")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the cluster's daemons keep their state."""
    return tmp_path_factory.mktemp("slurm")


@pytest.fixture(scope="session")
def cluster(cluster_folder: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a cluster's users."""
    with slurm_cluster(cluster_folder) as found:
        yield found


@pytest.fixture
def env(cluster: dict[str, str], cluster_folder: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a user with a ledger of their own; afterwards no job of theirs is left."""
    yield {
        **cluster, "LOWTIDE_LEDGER": str(tmp_path / "ledger"), "LOWTIDE_JOURNAL": str(tmp_path / "journal"),
    }  # fmt: skip
    mend(cluster_folder, cluster)
    cancel_all(cluster)


@pytest.fixture
def agents() -> Iterator[list[subprocess.Popen[str]]]:
    """Return a list for agents, which are ended after the test."""
    found: list[subprocess.Popen[str]] = []
    yield found
    for one in found:
        if one.poll() is None:
            one.terminate()
        one.wait(timeout=90)
