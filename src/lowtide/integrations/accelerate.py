"""Accelerate: ``Accelerator(log_with=[LowtideTracker(...)])``, and :class:`PausePoint` in the loop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lowtide.integrations.bases import Metered, base_class
from lowtide.integrations.pausing import finish, gate_or, newest, unfinished

if TYPE_CHECKING:
    from lowtide.integrations.meter import TrainingMeter
    from lowtide.runtime.gate import Gate

__all__ = ["LowtideTracker", "PausePoint"]

_Base: Any = base_class("accelerate.tracking:GeneralTracker")


class LowtideTracker(Metered, _Base):  # type: ignore[misc]
    """A tracker of Accelerate that measures from ``init_trackers`` to ``end_training``.

    Every ``accelerator.log(values, step=...)`` tells it how far the training has come. Made on every process, it
    measures on every one (``main_process_only`` is False) and logs on the first.

    Arguments and attributes are those of :class:`~lowtide.integrations.bases.Metered`.
    """

    name = "lowtide"
    requires_logging_directory = False
    main_process_only = False

    _of = (_Base, "the Accelerate tracker", "accelerate")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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


class PausePoint:
    """Where a training with Accelerate can be paused: at the end of a step.

    ::

        point = PausePoint(accelerator, "pause", total_steps=n_epochs * len(loader))  # after prepare()
        for epoch in range(point.step // len(loader), n_epochs):
            loader.set_epoch(epoch)  # with a seedable sampler, so that an epoch has its order
            for batch in accelerator.skip_first_batches(loader, point.step % len(loader)):
                ...  # forward, accelerator.backward(loss), optimizer.step()
                point.passed()

    What ``accelerator.save_state`` saves is saved: what was prepared, what was registered, random generators. The ranks
    agree through the gate, as seldom as every half second; ``set_trigger`` and ``check_trigger`` stay yours.

    Parameters
    ----------
    accelerator : Accelerator
    folder : str
        Where checkpoints are kept, on a disk that all ranks see; one is kept at a time, as ``step-420``.
    total_steps : int, optional
        Of the whole training; with it progress is told.
    gate : Gate, optional

    Attributes
    ----------
    step : int
        Steps done by this process and those before it; taken from the newest checkpoint if there is one.
    """

    def __init__(
        self,
        accelerator: Any,
        folder: str,
        *,
        total_steps: int | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.gate, self.step = gate_or(gate), 0
        self._accelerator, self._folder, self._total = accelerator, folder, total_steps
        kept = newest(folder, "step")
        if kept is not None:
            accelerator.load_state(kept)
            self.step = int(kept.rpartition("-")[2])

    def passed(self) -> None:
        """Count a step; save and leave if that has been asked. Call it on every rank.

        Raises
        ------
        SystemExit
        """
        self.step += 1
        if self._total is not None:
            self.gate.progress(self.step, self._total)
        if self.gate.should_pause():
            self._save()
            self.gate.leave()

    def _save(self) -> None:
        path = os.path.join(self._folder, f"step-{self.step}")
        if self._accelerator.is_main_process:
            unfinished(path)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(f"{path}.tmp")
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            finish(path, "step")
