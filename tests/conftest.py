"""Settings of all tests; being here puts this folder on the import path (shared_data).

No test reaches the network or the user's own runs: sockets connect to this machine only, and ``LOWTIDE_*``
points into the test's own folder. Variables ``LOWTIDE_TEST_*`` are for the tests themselves and are kept.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

for _name in (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
):  # a shell that starts us in the background has them ignored by our children
    _number = getattr(signal, _name)
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

BATCH_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_STEP_ID", "SLURM_PROCID", "TORCHELASTIC_RUN_ID")
RANK_PREFIXES = ("OMPI_", "PMI_", "PMIX_")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the ledger, journals and announcements of a test in its folder, and the user's settings out."""
    for name in os.environ:
        if name.startswith("LOWTIDE_") and not name.startswith("LOWTIDE_TEST_"):
            monkeypatch.delenv(name)
    of_ranks = [name for name in os.environ if name.startswith(RANK_PREFIXES)]
    for name in (*BATCH_VARIABLES, *RANK_VARIABLES, *of_ranks):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOWTIDE_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setenv("LOWTIDE_JOURNAL", str(tmp_path / "journals"))
    monkeypatch.setenv("LOWTIDE_NODE_DIR", str(tmp_path / "node"))
    monkeypatch.setenv("LOWTIDE_CONFIG", str(tmp_path / "no-lowtide.toml"))
    monkeypatch.setenv("LOWTIDE_CACHE", str(tmp_path / "cache" / "intensity.sqlite"))
    monkeypatch.setenv("LOWTIDE_CALIBRATION", str(tmp_path / "no-calibration.json"))
    monkeypatch.setenv("LOWTIDE_KEYS", str(tmp_path / "no-keys.toml"))
    monkeypatch.setenv("LOWTIDE_DMI_ROOT", str(tmp_path / "no-firmware"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that would leave this machine."""

    def guarded(name: str) -> Any:
        connect = getattr(socket.socket, name)

        def guard(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and not _is_here(address):
                pytest.fail(f"a test must not reach the network: {name} to {address!r}")
            return connect(self, address)

        return guard

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(name))


def _is_here(address: Any) -> bool:
    host = address[0] if isinstance(address, tuple) else address
    return isinstance(host, str) and (host in ("localhost", "::1") or host.startswith("127."))
