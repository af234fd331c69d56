"""Keras 3: ``model.fit(..., callbacks=[LowtideCallback(...)])``, with any backend."""

from __future__ import annotations

from typing import Any

from lowtide.integrations.bases import base_class, check_base
from lowtide.integrations.meter import TrainingMeter

__all__ = ["LowtideCallback"]

_Base: Any = base_class("keras.callbacks:Callback")


class LowtideCallback(_Base):  # type: ignore[misc]
    """Measures ``model.fit``: epochs and validations are phases, batches are steps.

    The newest figures are added to the logs of every epoch, so the History and other callbacks behind this one have
    them too.

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
        If Keras is not installed.
    """

    def __init__(self, **options: Any) -> None:
        check_base(_Base, what="the Keras callback", extra="keras")
        super().__init__()
        self.meter = TrainingMeter(**options)

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to measure."""
        epochs, steps = self.params.get("epochs"), self.params.get("steps")
        self.meter.start(total_steps=epochs * steps if epochs and steps else None)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin the phase of an epoch."""
        self.meter.begin("train")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a step; send figures now and then."""
        self.meter.step()

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin the phase of a validation."""
        self.meter.begin("validate")

    def on_test_end(self, logs: Any = None) -> None:
        """End it."""
        self.meter.finish()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End the phase of the epoch and add the newest figures to its logs."""
        self.meter.finish()
        self.meter.log()
        if isinstance(logs, dict):
            logs.update(self.meter.latest)

    def on_train_end(self, logs: Any = None) -> None:
        """End the measurement."""
        self.meter.end()
