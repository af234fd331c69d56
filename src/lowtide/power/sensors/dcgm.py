"""GPUs of any host through a Prometheus exporter: DCGM's, or another that counts joules by UUID.

For each GPU the energy counter is read where it is exported, else power. MIG devices carry the figure of their
board and count once. Scraped in the background. Source: NVIDIA dcgm-exporter, ``etc/default-counters.csv``;
Prometheus text format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from lowtide.doors import Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.background import Background
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.gpu_boards import GAIN_ERROR
from lowtide.power.sensors.gpu_scope import gpus_of_host

__all__ = ["DcgmSensor", "Sample", "parse_metrics"]

_ENERGY_MJ: Final = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
_POWER_W: Final = "DCGM_FI_DEV_POWER_USAGE"
_JOULES: Final = "_energy_joules_total"
_TIME_LIMIT_S: Final = 5.0
_MOST_BYTES: Final = 20_000_000
_MAX_BOARD_W: Final = 2500.0
_LINE: Final = re.compile(r"([A-Za-z_:][\w:]*)\{(.*)\}\s+(\S+)(?:\s+\d+)?\s*")
_LABEL: Final = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)\s*')


class Sample(NamedTuple):
    """One line of an exporter."""

    name: str
    labels: Mapping[str, str]
    value: float


class DcgmSensor:
    """Reads every GPU an exporter knows.

    Parameters
    ----------
    url : str
        Of its metrics, ``http://host:9400/metrics``.
    environ : mapping of str to str, optional
        The run's environment, for which of the GPUs are in its scope; all of them by default.
    period_s : float
        Time between two scrapes [s].

    Raises
    ------
    SensorError
        If it does not answer or knows no GPU's power.
    """

    name = "dcgm"

    def __init__(self, url: str, *, environ: Mapping[str, str] | None = None, period_s: float = 1.0) -> None:
        if not url:
            raise SensorError("not configured; set LOWTIDE_DCGM_URL=http://HOST:9400/metrics")
        if urlsplit(url).scheme not in ("http", "https"):
            raise SensorError(f"{url!r} is no address; set LOWTIDE_DCGM_URL=http://HOST:9400/metrics")
        self._url = url
        self._background = Background(self._scrape, period_s=period_s)
        first = self._background.latest()
        found = {} if isinstance(first, Retry) else first
        if not found:
            self._background.close()
            raise SensorError(f"{url} shows no GPU's energy or power ({_ENERGY_MJ}, {_POWER_W})")
        self._keys = tuple(found)
        with_mig = {i for i, key in enumerate(self._keys) if "GPU_I_ID" in found[key].labels}
        scope = gpus_of_host(environ or {}, self._keys, with_mig=with_mig)
        why = "" if scope.indices else f"; none is known to be the run's ({scope.reason})"
        self.channels: Sequence[Channel] = tuple(
            _channel(key, found[key], period_s, in_scope=i in scope.indices, why=why)
            for i, key in enumerate(self._keys)
        )

    def _scrape(self) -> dict[str, Sample]:
        from urllib.request import urlopen

        try:
            with urlopen(self._url, timeout=_TIME_LIMIT_S) as answer:
                text = answer.read(_MOST_BYTES).decode(errors="replace")
        except OSError as error:
            raise SensorError(f"{self._url} does not answer ({getattr(error, 'reason', error)})") from error
        return _best(parse_metrics(text))

    def read(self) -> Sequence[Outcome]:
        """Return the last millijoules, joules or watts of every GPU."""
        latest = self._background.latest()
        if isinstance(latest, Retry):
            return [latest] * len(self._keys)
        return [
            _outcome(latest.get(key), channel) for key, channel in zip(self._keys, self.channels, strict=True)
        ]

    def close(self) -> None:
        """Ask no more."""
        self._background.close()


def parse_metrics(text: str) -> Iterator[Sample]:
    """Yield every line that is a sample with labels and a finite value; anything else is passed over.

    >>> next(parse_metrics('DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a"} 71.5' + chr(10))).value
    71.5
    """
    for line in text.split("\n")[
        :-1
    ]:  # a last line without its end was cut, and half a number is another number
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        if value - value == 0.0:
            yield Sample(match[1], dict(_LABEL.findall(match[2])), value)


def _best(samples: Iterator[Sample]) -> dict[str, Sample]:
    """Return one sample for each GPU: counters before power, the board before its MIG devices."""

    def rank(sample: Sample) -> tuple[bool, bool]:
        return sample.name == _POWER_W, "GPU_I_ID" in sample.labels

    best: dict[str, Sample] = {}
    for sample in samples:
        uuid = next((sample.labels[k] for k in ("UUID", "uuid") if sample.labels.get(k)), "")
        known = sample.name in (_ENERGY_MJ, _POWER_W) or sample.name.endswith(_JOULES)
        if not known or not uuid.startswith("GPU-") or sample.value < 0.0:
            continue
        if uuid not in best or rank(sample) < rank(best[uuid]):
            best[uuid] = sample
    return dict(sorted(best.items(), key=lambda item: (_index(item[1]), item[0])))


def _index(sample: Sample) -> int:
    text = sample.labels.get("gpu", "")
    return int(text) if text.isascii() and text.isdigit() else 2**31


def _outcome(sample: Sample | None, channel: Channel) -> Outcome:
    if sample is None:
        return Retry("the exporter does not show this GPU any more")
    if (sample.name == _POWER_W) == (channel.kind == "counter"):
        return Retry(f"the exporter shows {sample.name} instead")
    if channel.kind == "gauge":
        return sample.value
    return round(sample.value / _unit(sample.name))


def _unit(name: str) -> float:
    """Return what one raw count of the journal is of the exporter's unit: whole millijoules in either case."""
    return 1.0 if name == _ENERGY_MJ else 1e-3


def _channel(uuid: str, sample: Sample, period_s: float, *, in_scope: bool, why: str) -> Channel:
    host = sample.labels.get("Hostname", "a host")
    is_counter = sample.name != _POWER_W
    return Channel(
        name=f"dcgm.{uuid}.{'energy' if is_counter else 'power'}",
        sensor=DcgmSensor.name,
        component="gpu",
        quantity="energy" if is_counter else "power",
        kind="counter" if is_counter else "gauge",
        scale=1e-3 if is_counter else 1.0,
        boundary="gpu",
        device=f"{sample.labels.get('modelName', 'GPU')} {uuid}",
        max_power_w=_MAX_BOARD_W,
        low_fraction=1 / (1 + GAIN_ERROR),
        high_fraction=1 / (1 - GAIN_ERROR),
        method=method("dcgm", f"{sample.name} of an exporter on {host}{why}"),
        part=f"gpu/nvidia/{uuid}",
        in_scope=in_scope,
        update_s=period_s + 1.0,  # the exporter itself collects only now and then
        window_s=0.0 if is_counter else 0.1,
    )
