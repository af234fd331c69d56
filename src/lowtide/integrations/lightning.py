"""Lightning: ``Trainer(callbacks=[LowtideCallback(...)])``."""

from __future__ import annotations

from typing import Any

from lowtide.integrations.bases import base_class, check_base
from lowtide.integrations.meter import TrainingMeter

__all__ = ["LowtideCallback"]

_Base: Any = base_class("lightning.pytorch.callbacks:Callback", "pytorch_lightning.callbacks:Callback")


class LowtideCallback(_Base):  # type: ignore[misc]
    """Measures ``trainer.fit``: epochs and validations are phases, batches are steps.

    Figures go to the trainer's own loggers, and to sinks given here, on the first rank. No signal handler is
    installed, so Lightning's own requeueing is left alone.

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
        If Lightning is not installed.
    """

    def __init__(self, **options: Any) -> None:
        check_base(_Base, what="the Lightning callback", extra="lightning")
        super().__init__()
        self.meter = TrainingMeter(**options)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to measure."""
        total = trainer.estimated_stepping_batches
        finite = total if isinstance(total, int | float) and 0 < total < float("inf") else None
        self.meter.start(total_steps=finite)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the phase of an epoch."""
        self.meter.begin("train")

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count optimizer steps; send figures now and then."""
        done = trainer.global_step - self.meter.steps
        if done > 0:
            self._pass_on(trainer, self.meter.step(done))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the phase of the epoch."""
        self.meter.finish()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the phase of a validation, inside the epoch's where that is so."""
        self.meter.begin("validate")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """End it."""
        self.meter.finish()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """End the measurement and log its total."""
        self.meter.end()
        self._pass_on(trainer, self.meter.latest if self.meter.result is not None else None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the measurement of a training that failed."""
        self.meter.end(failed=True)

    def _pass_on(self, trainer: Any, values: dict[str, float] | None) -> None:
        if values is not None and trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(values, step=trainer.global_step)
