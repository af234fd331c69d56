"""Accelerate: ``Accelerator(log_with=[LowtideTracker(...)])``."""

from __future__ import annotations

from typing import Any

from lowtide.integrations.bases import base_class, check_base
from lowtide.integrations.meter import TrainingMeter

__all__ = ["LowtideTracker"]

_Base: Any = base_class("accelerate.tracking:GeneralTracker")


class LowtideTracker(_Base):  # type: ignore[misc]
    """A tracker of Accelerate that measures from ``init_trackers`` to ``end_training``.

    Every ``accelerator.log(values, step=...)`` tells it how far the training has come. Made on every process, it
    measures on every one (``main_process_only`` is False) and logs on the first.

    Parameters
    ----------
    **options
        Those of :class:`~lowtide.integrations.meter.TrainingMeter`: ``sinks``, ``log_every_s``, ``say``, and those of
        :func:`lowtide.measure`.

    Attributes
    ----------
    meter : TrainingMeter
        Has ``result`` and ``run_id`` after the training.

    Raises
    ------
    MissingExtraError
        If Accelerate is not installed.
    """

    name = "lowtide"
    requires_logging_directory = False
    main_process_only = False

    def __init__(self, **options: Any) -> None:
        check_base(_Base, what="the Accelerate tracker", extra="accelerate")
        self.meter = TrainingMeter(**options)
        super().__init__()
        self.meter.start()

    @property
    def tracker(self) -> TrainingMeter:
        """The meter."""
        return self.meter

    def store_init_configuration(self, values: Any) -> None:
        """Begin to measure, if the training before it has been ended."""
        self.meter.start()

    def log(self, values: Any, step: int | None = None, **kwargs: Any) -> None:
        """Note the step that was logged; the values are other trackers' business."""
        done = 1 if step is None else step + 1 - self.meter.steps
        if done > 0:
            self.meter.step(done)

    def finish(self) -> None:
        """End the measurement."""
        self.meter.end()
