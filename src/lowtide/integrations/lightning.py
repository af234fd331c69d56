"""Lightning: ``Trainer(callbacks=[LowtideCallback(...), PauseCallback(...)])``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from lowtide.errors import InputError
from lowtide.integrations.bases import Metered, base_class, check_base
from lowtide.integrations.pausing import discard, finish, gate_or, newest, restore_rng, rng_states, unfinished

if TYPE_CHECKING:
    from lowtide.runtime.gate import Gate

__all__ = ["LowtideCallback", "PauseCallback"]

_Base: Any = base_class("lightning.pytorch.callbacks:Callback", "pytorch_lightning.callbacks:Callback")


class LowtideCallback(Metered, _Base):  # type: ignore[misc]
    """Measures ``trainer.fit``: epochs and validations are phases, batches are steps.

    Figures go to the trainer's own loggers, and to sinks given here, on the first rank. No signal handler is
    installed, so Lightning's own requeueing is left alone.

    Arguments and attributes are those of :class:`~lowtide.integrations.bases.Metered`.
    """

    _of = (_Base, "the Lightning callback", "lightning")

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
        """End the measurement of a training that failed, or leaves for a pause."""
        self.meter.end(failed=not isinstance(exception, SystemExit))

    def _pass_on(self, trainer: Any, values: dict[str, float] | None) -> None:
        if values is not None and trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(values, step=trainer.global_step)


class PauseCallback(_Base):  # type: ignore[misc]
    """Lets ``trainer.fit`` be paused: it saves with ``trainer.save_checkpoint`` and leaves the process.

    Start the training with::

        pause = PauseCallback("pause")
        Trainer(callbacks=[pause]).fit(model, loader, ckpt_path=pause.checkpoint)

    Lightning restores model, optimizers, schedulers and loops; the random generators of all ranks are kept beside them.
    It does not restore the place in the data unless the loader has ``state_dict`` and ``load_state_dict`` (such as
    torchdata's ``StatefulDataLoader``): with another loader an epoch that was interrupted sees some samples twice and
    some not at all. ``at="epoch"`` pauses between epochs only. It installs no signal handler.

    Parameters
    ----------
    folder : str
        Where checkpoints are kept, on a disk that all ranks see; one is kept at a time, as ``step-420.ckpt``, and none
        once ``fit`` has come to its end.
    at : {"step", "epoch"}, optional
        Where it may pause: after any optimizer step, or at the end of an epoch, which must then fit into the grace
        that lowtide gives.
    gate : Gate, optional

    Raises
    ------
    InputError
        If `at` is neither.
    MissingExtraError
        If Lightning is not installed.
    """

    def __init__(
        self, folder: str, *, at: Literal["step", "epoch"] = "step", gate: Gate | None = None
    ) -> None:
        check_base(_Base, what="the Lightning callback", extra="lightning")
        if at not in ("step", "epoch"):
            raise InputError(f"at={at!r} is no place to pause; give 'step' or 'epoch'")
        super().__init__()
        self.gate, self._folder, self._at = gate_or(gate), folder, at
        self._asked, self._step = False, 0
        self._total: float | None = None
        self._kept: dict[str, Any] = {}

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint to go on from, for ``ckpt_path``; None at a first start."""
        return newest(self._folder, "step", ".ckpt")

    def state_dict(self) -> dict[str, Any]:
        """Return the random generators of all ranks, in a checkpoint of a pause."""
        return self._kept

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them."""
        self._kept = state_dict

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Restore random generators before the loaders draw from them, as they do when an epoch begins."""
        self._restore(trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Restore them once more where an epoch goes on, as its loader had drawn before the pause."""
        if self._kept.get("inside_epoch"):
            self._restore(trainer)
        self._kept, self._step = {}, trainer.global_step
        total = trainer.estimated_stepping_batches
        self._total = total if 0 < total < float("inf") else None

    def _restore(self, trainer: Any) -> None:
        states = self._kept.get("rng", [])
        if len(states) == trainer.world_size:
            restore_rng(states[trainer.global_rank])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the progress; save and leave if that has been asked and neither a validation nor an epoch ends here."""
        if trainer.global_step == self._step:
            return  # gradients are being accumulated
        self._step = trainer.global_step
        if self._total is not None:
            self.gate.progress(self._step, self._total)
        if self._at == "epoch" and not trainer.is_last_batch:
            return
        self._asked = self._asked or self.gate.should_pause()
        if self._asked and not trainer.is_last_batch and not _validates_now(trainer, batch_idx):
            self._save_and_leave(trainer, inside_epoch=True)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Save and leave after the validation that was due."""
        if self._asked and not trainer.sanity_checking and not trainer.is_last_batch:
            self._save_and_leave(trainer, inside_epoch=True)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Save and leave after the epoch."""
        if self._asked:
            self._save_and_leave(trainer, inside_epoch=False)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Remove what was kept, as the training is done."""
        if trainer.is_global_zero:
            discard(self._folder, "step", ".ckpt")

    def _save_and_leave(self, trainer: Any, *, inside_epoch: bool) -> None:
        path = os.path.join(self._folder, f"step-{trainer.global_step}.ckpt")
        if trainer.is_global_zero:
            unfinished(path)
        self._kept = {"rng": _rng_of_all(trainer), "inside_epoch": inside_epoch}
        trainer.strategy.barrier("lowtide: before saving")
        trainer.save_checkpoint(f"{path}.tmp")
        trainer.strategy.barrier("lowtide: after saving")
        if trainer.is_global_zero:
            finish(path, "step", ".ckpt")
        # Lightning's own launcher kills the first rank when another one leaves with anything but 0.
        self.gate.leave(status=None if trainer.is_global_zero else 0)


def _validates_now(trainer: Any, batch_idx: int) -> bool:
    """Return whether Lightning validates after this batch, inside an epoch."""
    every = trainer.val_check_batch
    if not trainer.enable_validation or not isinstance(every, int):
        return False
    if trainer.check_val_every_n_epoch is None:
        return bool((trainer.fit_loop.total_batch_idx + 1) % every == 0)
    of_this_epoch = (trainer.current_epoch + 1) % trainer.check_val_every_n_epoch == 0
    return bool(of_this_epoch and (batch_idx + 1) % every == 0)


def _rng_of_all(trainer: Any) -> list[dict[str, Any]]:
    """Return the random generators of all ranks, on every rank."""
    if trainer.world_size == 1:
        return [rng_states()]
    found: list[Any] = [None] * trainer.world_size
    sys.modules["torch"].distributed.all_gather_object(found, rng_states())
    return found
