"""What is known of each built-in sensor, in one place: what it reads, and on what evidence it is trusted.

``measured`` sensors have been run on the hardware they are for. ``contract-tested`` ones have been written to its
documented interface and tested against stand-ins of it, no such machine having been at hand; ``lowtide doctor`` and the
bill say so. ``local`` sensors read this machine alone and are tried by ``--sensors auto``; the others have to be named.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["FACTS", "Facts", "method"]

Evidence = Literal["measured", "contract-tested"]


class Facts(NamedTuple):
    """What a sensor reads, on what evidence, and whether ``auto`` tries it."""

    reads: str
    evidence: Evidence
    local: bool


FACTS: Final[dict[str, Facts]] = {
    "rapl": Facts("Intel and AMD processors and their memory, through powercap", "measured", True),
    "perf": Facts("the same counters, through perf events", "contract-tested", True),
    "nvml": Facts("NVIDIA GPUs, through NVML", "measured", True),
    "amd": Facts("AMD GPUs, through amdsmi", "contract-tested", True),
    "intel_gpu": Facts("Intel GPUs, through hwmon", "contract-tested", True),
    "grace": Facts("NVIDIA Grace processors, through hwmon", "contract-tested", True),
    "cray": Facts("HPE Cray nodes, through pm_counters", "contract-tested", True),
    "jetson": Facts("NVIDIA Jetson boards, through INA3221", "contract-tested", True),
    "apple": Facts("Apple silicon, through IOReport", "contract-tested", True),
    "ipmi": Facts("the whole node, through ipmitool dcmi", "contract-tested", True),
    "redfish": Facts("the whole node, through its Redfish service", "contract-tested", False),
    "dcgm": Facts("GPUs of any host, through a Prometheus exporter", "contract-tested", False),
}


def method(sensor: str, text: str) -> str:
    """Return a channel's method in words, with its evidence where that is less than measured.

    >>> method("cray", "energy counter")
    'energy counter [contract-tested]'
    """
    return text if FACTS[sensor].evidence == "measured" else f"{text} [{FACTS[sensor].evidence}]"
