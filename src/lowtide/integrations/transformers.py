"""Hugging Face Trainer: ``Trainer(..., callbacks=[LowtideCallback(...), PauseCallback()])``."""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING, Any, Final

from lowtide.integrations.bases import Metered, base_class, check_base
from lowtide.integrations.pausing import gate_or

if TYPE_CHECKING:
    from lowtide.runtime.gate import Gate

__all__ = ["LowtideCallback", "PauseCallback", "last_checkpoint"]

_INCOMPLETE: Final = "checkpoint-is-incomplete.txt"
"""In a checkpoint that is being written; the Trainer's own saving at SIGTERM uses the same name."""

_Base: Any = base_class("transformers:TrainerCallback")


class LowtideCallback(Metered, _Base):  # type: ignore[misc]
    """Measures ``trainer.train``: epochs and evaluations are phases, optimizer steps are steps.

    Figures go to the sinks given here, and into ``state.log_history`` beside the Trainer's own logs, on the first
    rank.

    Arguments and attributes are those of :class:`~lowtide.integrations.bases.Metered`.
    """

    _of = (_Base, "the Hugging Face callback", "transformers")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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


class PauseCallback(_Base):  # type: ignore[misc]
    """Lets ``trainer.train`` be paused: it saves a checkpoint of the Trainer's own, stops, and leaves the process.

    Give it last, so that the other callbacks have ended when the process does, and start the training with::

        trainer.train(resume_from_checkpoint=last_checkpoint(args.output_dir))

    ``args.save_strategy`` may be anything. It asks for no signal; ``enable_jit_checkpoint`` can be used beside it.

    Parameters
    ----------
    gate : Gate, optional

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    """

    def __init__(self, *, gate: Gate | None = None) -> None:
        check_base(_Base, what="the Hugging Face callback", extra="transformers")
        super().__init__()
        self.gate, self._asked, self._incomplete = gate_or(gate), False, ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say it when checkpoints will be of no use."""
        if args.save_only_model:
            warnings.warn(
                "lowtide: save_only_model=True leaves the optimizer out; a pause would lose it",
                RuntimeWarning,
                stacklevel=2,
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the progress; have a checkpoint saved and stop if that has been asked."""
        self.gate.progress(state.global_step, state.max_steps)
        self._asked = self.gate.should_pause()
        if self._asked and not float(state.epoch or 0.5).is_integer():
            self._stop(args, state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop after the evaluation that is due here, if its last step was the one to pause after.

        A training that has been stopped inside an epoch comes here as well; what is due then is for the process that
        goes on.
        """
        if self._incomplete:
            control.should_save = control.should_evaluate = False
        elif self._asked:
            self._stop(args, state, control)

    def _stop(self, args: Any, state: Any, control: Any) -> None:
        self._incomplete = os.path.join(args.output_dir, f"checkpoint-{state.global_step}", _INCOMPLETE)
        if state.is_world_process_zero:
            os.makedirs(os.path.dirname(self._incomplete), exist_ok=True)
            with open(self._incomplete, "w", encoding="utf-8") as file:
                file.write(
                    "being written; when the process is killed meanwhile, this checkpoint is of no use\n"
                )
        control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as whole."""
        if self._incomplete and state.is_world_process_zero and os.path.exists(self._incomplete):
            os.unlink(self._incomplete)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the process after a pause."""
        if self._incomplete:
            self.gate.leave()


def last_checkpoint(folder: str) -> str | None:
    """Return the newest whole checkpoint in a Trainer's output folder, None where there is none.

    One that was being written when its process was killed is passed over; ``resume_from_checkpoint=True`` takes it.

    Examples
    --------
    >>> last_checkpoint("no-such-folder") is None
    True
    """
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(
        (name for name in names if re.fullmatch(r"checkpoint-\d+", name)),
        key=lambda name: -int(name.rpartition("-")[2]),
    ):
        path = os.path.join(folder, name)
        inside = os.listdir(path) if os.path.isdir(path) else []
        if "trainer_state.json" in inside and _INCOMPLETE not in inside:  # the state is written last
            return path
    return None
