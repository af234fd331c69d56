"""Where figures go while a training is running: MLflow, Weights & Biases, TensorBoard, or anything with ``log``.

Metric names, everywhere the same (``docs/reference/integrations.md``):

``lowtide/energy_kwh``, ``lowtide/power_w``, ``lowtide/duration_s``, ``lowtide/emissions_g``, ``lowtide/step_energy_j``,
and with a known number of steps ``lowtide/predicted_energy_kwh`` with ``_low`` and ``_high``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from lowtide.errors import MissingExtraError

__all__ = ["METRICS", "MemorySink", "MlflowSink", "Sink", "TensorBoardSink", "WandbSink", "send"]

METRICS: Mapping[str, str] = {
    "lowtide/energy_kwh": "energy of the run so far, at the node [kWh]",
    "lowtide/power_w": "mean power since the last figure [W]",
    "lowtide/duration_s": "time since the run began [s]",
    "lowtide/emissions_g": "emissions of the run so far [g CO2e]; absent without an intensity",
    "lowtide/step_energy_j": "energy a step since the last figure [J]",
    "lowtide/predicted_energy_kwh": "energy of the whole run, from its steps so far [kWh]",
    "lowtide/predicted_energy_kwh_low": "lower end of its 90 % range [kWh]",
    "lowtide/predicted_energy_kwh_high": "upper end of its 90 % range [kWh]",
}
"""Every metric with its meaning and unit."""


class Sink(Protocol):
    """Takes figures; any object with this method is one."""

    def log(self, values: Mapping[str, float], *, step: int, t_ns: int) -> None:
        """Take the figures of a step, measured at an instant [ns since 1970 UTC]."""
        ...


class MemorySink:
    """Keeps the figures in a list, for tests and notebooks.

    >>> sink = MemorySink()
    >>> sink.log({"lowtide/power_w": 90.0}, step=1, t_ns=0)
    >>> sink.rows[0][0]
    1
    """

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, dict[str, float]]] = []

    def log(self, values: Mapping[str, float], *, step: int, t_ns: int) -> None:
        """Keep the figures."""
        self.rows.append((step, t_ns, dict(values)))


class MlflowSink:
    """Sends figures to a run of MLflow, all of a step in one request.

    Parameters
    ----------
    run_id : str, optional
        The active run by default.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    def __init__(self, run_id: str | None = None) -> None:
        try:
            self._mlflow: Any = import_module("mlflow")
        except ImportError as error:
            raise MissingExtraError("the MLflow sink", extra="mlflow") from error
        self._run_id = run_id

    def log(self, values: Mapping[str, float], *, step: int, t_ns: int) -> None:
        """Send the figures; without an active run nothing is sent, and none is started."""
        metric = import_module("mlflow.entities").Metric
        run = self._mlflow.active_run()
        run_id = self._run_id or (run.info.run_id if run is not None else None)
        if run_id is not None:
            metrics = [metric(name, value, t_ns // 1_000_000, step) for name, value in values.items()]
            self._mlflow.MlflowClient().log_batch(run_id, metrics=metrics)


class WandbSink:
    """Sends figures to a run of Weights & Biases, on an axis of their own.

    They are sent without a step of W&B's, which only ever counts up, but with ``lowtide/step`` as their axis.

    Parameters
    ----------
    run : wandb.Run
        What ``wandb.init`` returned.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        run.define_metric("lowtide/step")
        run.define_metric("lowtide/*", step_metric="lowtide/step")

    def log(self, values: Mapping[str, float], *, step: int, t_ns: int) -> None:
        """Send the figures with the next step that the training itself logs."""
        self._run.log({**values, "lowtide/step": step}, commit=False)


class TensorBoardSink:
    """Writes figures as scalars of TensorBoard.

    Parameters
    ----------
    writer : SummaryWriter
        Of ``torch.utils.tensorboard`` or tensorboardX.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, values: Mapping[str, float], *, step: int, t_ns: int) -> None:
        """Write the figures."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=step, walltime=t_ns / 1e9)


def send(
    sinks: Sequence[Sink], values: Mapping[str, float], *, step: int, t_ns: int, failed: set[int]
) -> None:
    """Give figures to all sinks; one that fails is said once and then left alone.

    Parameters
    ----------
    failed : set of int
        Places of the sinks that have failed; added to.
    """
    for place, sink in enumerate(sinks):
        if place in failed:
            continue
        try:
            sink.log(values, step=step, t_ns=t_ns)
        except Exception as error:  # a tracker that is down must not stop a training
            failed.add(place)
            warnings.warn(
                f"lowtide: {type(sink).__name__} failed and is left alone ({type(error).__name__}: {error})",
                RuntimeWarning,
                stacklevel=3,
            )
