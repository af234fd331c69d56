"""What tests of lowtide need, and what tests of code that uses lowtide need: fakes, builders, checks.

* :mod:`lowtide.testing.fakes`: a clock moved by hand, sensors that replay, NVML without a GPU, a powercap tree.
* :mod:`lowtide.testing.builders`: records and headers with sensible defaults.
* :mod:`lowtide.testing.checks`, :mod:`~lowtide.testing.policy_checks` and :mod:`~lowtide.testing.provider_checks`:
  ``check_sensor``, ``check_policy`` and ``check_provider`` say whether an object keeps the promises of its door.
* :mod:`lowtide.testing.fake_nvml`: a ``libnvidia-ml.so.1`` that replays power through NVIDIA's own binding.
* :mod:`lowtide.testing.fake_sysfs`, :mod:`~lowtide.testing.fake_servers`: powercap, hwmon, Redfish, DCGM.
* :mod:`lowtide.testing.fake_grid`: a service for every provider, on loopback, with faults on demand;
  :mod:`~lowtide.testing.provider_cases` and :mod:`~lowtide.testing.provider_mutations` for what they must survive.
* :mod:`lowtide.testing.fake_executor`: ``FakeExecutor``, jobs that do their work as a clock is moved by hand;
  :mod:`~lowtide.testing.executor_checks`: ``check_executor``; :mod:`~lowtide.testing.fake_kubernetes` and
  :mod:`~lowtide.testing.fake_ray`: an API server with its Job controller and a Ray dashboard, on loopback.
* :mod:`lowtide.testing.workloads`: workloads that studies published.
"""

from lowtide.testing.executor_checks import check_executor
from lowtide.testing.fake_executor import FakeExecutor

__all__ = ["FakeExecutor", "check_executor"]
