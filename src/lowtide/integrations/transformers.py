"""Hugging Face Trainer: ``Trainer(..., callbacks=[LowtideCallback(...)])``."""

from __future__ import annotations

from typing import Any

from lowtide.integrations.bases import base_class, check_base
from lowtide.integrations.meter import TrainingMeter

__all__ = ["LowtideCallback"]

_Base: Any = base_class("transformers:TrainerCallback")


class LowtideCallback(_Base):  # type: ignore[misc]
    """Measures ``trainer.train``: epochs and evaluations are phases, optimizer steps are steps.

    Figures go to the sinks given here, and into ``state.log_history`` beside the Trainer's own logs, on the first
    rank.

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
        If transformers is not installed.
    """

    def __init__(self, **options: Any) -> None:
        check_base(_Base, what="the Hugging Face callback", extra="transformers")
        super().__init__()
        self.meter = TrainingMeter(**options)
        self._begun_at = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to measure."""
        self._begun_at = state.global_step  # not 0 when a checkpoint is resumed
        left = state.max_steps - state.global_step
        self.meter.start(total_steps=left if left > 0 else None)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the phase of an epoch."""
        self.meter.begin("train")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count optimizer steps."""
        done = state.global_step - self._begun_at - self.meter.steps
        if done > 0:
            self._pass_on(state, self.meter.step(done))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the phase of the epoch."""
        self.meter.finish()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Send figures: an evaluation has just ended."""
        self._pass_on(state, self.meter.log())

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the measurement and keep its total in the log."""
        self.meter.end()
        self._pass_on(state, self.meter.latest if self.meter.result is not None else None)

    def _pass_on(self, state: Any, values: dict[str, float] | None) -> None:
        if values is not None and state.is_world_process_zero:
            state.log_history.append({**values, "step": state.global_step})
