"""AMD GPUs through amdsmi: the energy accumulator, else socket power.

Source: ROCm documentation, amdsmi Python API, ``amdsmi_get_energy_count`` (accumulator times resolution is
microjoules) and ``amdsmi_get_power_info`` (figures may be ``"N/A"``). The package has to be of the ROCm of the driver.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lowtide.doors import Outcome, Retry
from lowtide.errors import MissingExtraError, SensorError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.gpu_scope import visible_gpus

__all__ = ["AmdSensor"]

_MAX_BOARD_W: Final = 2500.0
_POWERS: Final = ("current_socket_power", "socket_power", "average_socket_power")


class AmdSensor:
    """Reads every AMD GPU in the run's scope.

    Parameters
    ----------
    amdsmi : module, optional
        An object with the calls of ``amdsmi``; without it, amdsmi is imported.
    environ : mapping of str to str, optional
        The run's environment; this process's by default.

    Raises
    ------
    MissingExtraError
        If amdsmi is not installed.
    SensorError
        If there is no driver or no GPU in scope.
    """

    name = "amd"

    def __init__(self, amdsmi: Any = None, *, environ: Mapping[str, str] | None = None) -> None:
        self._amdsmi = amdsmi if amdsmi is not None else _import_amdsmi()
        try:
            self._amdsmi.amdsmi_init()
            handles = list(self._amdsmi.amdsmi_get_processor_handles())
            uuids = [str(self._amdsmi.amdsmi_get_gpu_device_uuid(handle)) for handle in handles]
        except Exception as error:
            raise SensorError(f"amdsmi does not answer ({error}); is the amdgpu driver loaded?") from error
        chosen = _in_scope(os.environ if environ is None else environ, uuids)
        if not chosen:
            self.close()
            raise SensorError(
                "no AMD GPU in the run's scope (ROCR_, HIP_ and CUDA_VISIBLE_DEVICES, or none installed)"
            )
        self._reads: list[Callable[[], Outcome]] = []
        self.channels: Sequence[Channel] = tuple(self._open(uuids[i], handles[i]) for i in chosen)

    def _open(self, uuid: str, handle: Any) -> Channel:
        try:
            resolution_uj = float(self._energy(handle)["counter_resolution"])
            is_counter = 0.0 < resolution_uj < 1e6 and isinstance(self._energy_count(handle), int)
        except Exception:  # an error of a vendor's library, whatever its class: power is read instead
            is_counter, resolution_uj = False, 0.0
        self._reads.append(lambda: self._energy_count(handle) if is_counter else self._power_w(handle))
        return Channel(
            name=f"amd.{uuid}.{'energy' if is_counter else 'power'}",
            sensor=self.name,
            component="gpu",
            quantity="energy" if is_counter else "power",
            kind="counter" if is_counter else "gauge",
            scale=resolution_uj * 1e-6 if is_counter else 1.0,
            boundary="gpu",
            device=f"AMD GPU {uuid}",
            max_power_w=_MAX_BOARD_W,
            low_fraction=0.9,
            high_fraction=1.1,
            method=method("amd", "amdsmi energy accumulator" if is_counter else "amdsmi socket power"),
            part=f"gpu/amd/{uuid}",
            update_s=0.1,
            window_s=0.0 if is_counter else 0.001,
        )

    def _energy(self, handle: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._amdsmi.amdsmi_get_energy_count(handle)
        return found

    def _energy_count(self, handle: Any) -> Outcome:
        energy = self._energy(handle)
        count = energy.get("energy_accumulator", energy.get("power"))  # named "power" before ROCm 6.4
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**63:
            return Retry(f"amdsmi counts {count!r}")
        return count

    def _power_w(self, handle: Any) -> Outcome:
        info = self._amdsmi.amdsmi_get_power_info(handle)
        for name in _POWERS:
            value = info.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MAX_BOARD_W:
                return float(value)
        return Retry(f"amdsmi says no power: {info!r}")

    def read(self) -> Sequence[Outcome]:
        """Return the raw count, or the watts, of every GPU."""
        return [self._guarded(read) for read in self._reads]

    def _guarded(self, read: Callable[[], Outcome]) -> Outcome:
        try:
            return read()
        except Exception as error:  # an error of a vendor's library, whatever its class
            return Retry(f"amdsmi: {error}")

    def close(self) -> None:
        """Shut amdsmi down."""
        self._reads = []
        try:
            self._amdsmi.amdsmi_shut_down()
        except Exception:  # it is gone already, which is what was wanted
            return


def _in_scope(environ: Mapping[str, str], uuids: Sequence[str]) -> list[int]:
    """Return the GPUs that ROCR leaves, and of these, numbered anew from 0, those that HIP leaves.

    HIP reads CUDA's variable where its own is missing or empty, and never both. Source: ROCclr, ``rocdevice.cpp``.
    """
    chosen = visible_gpus(environ.get("ROCR_VISIBLE_DEVICES"), uuids)
    hip = environ.get("HIP_VISIBLE_DEVICES") or environ.get("CUDA_VISIBLE_DEVICES") or None
    return [chosen[i] for i in visible_gpus(hip, [uuids[i] for i in chosen])]


def _import_amdsmi() -> Any:
    from importlib import import_module

    try:
        return import_module("amdsmi")
    except ImportError as error:
        raise MissingExtraError("reading AMD GPUs", extra="amd") from error
    except Exception as error:  # the package is there and its library is not, or of another ROCm
        raise SensorError(f"amdsmi does not load ({error}); install the one of your ROCm") from error
