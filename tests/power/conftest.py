"""What tests of power logs share."""

from __future__ import annotations

import pytest


@pytest.fixture
def write(tmp_path):
    def _write(*lines: str, name: str = "power.csv", end: str = "\n"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + end, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    def _write(**columns):
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return _write


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """Return the path of the stand-in of NVML, compiled."""
    from lowtide.errors import SensorError
    from lowtide.testing.fake_nvml import build_library

    pytest.importorskip("pynvml")
    try:
        return build_library(str(tmp_path_factory.mktemp("nvml")))
    except SensorError as error:
        pytest.skip(str(error))


@pytest.fixture
def driver(nvml_library, tmp_path, monkeypatch):
    """Return a function that starts a stand-in driver with some boards in this process."""
    from lowtide.testing.fake_nvml import FakeDriver, load_library

    started = []

    def start(boards, **options):
        fake = FakeDriver(str(tmp_path), boards, **options)
        for name, value in fake.environ.items():
            monkeypatch.setenv(name, value)
        load_library(nvml_library)
        started.append(fake)
        return fake

    yield start
    if started:
        import pynvml

        while True:  # whatever a test that failed has left open
            try:
                pynvml.nvmlShutdown()
            except pynvml.NVMLError:
                break
    for fake in started:
        fake.close()
