"""Keras 3: ``model.fit(..., callbacks=[LowtideCallback(...), PauseCallback(...)])``, with any backend."""

from __future__ import annotations

import os
import pickle
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lowtide.integrations.bases import Metered, base_class, check_base
from lowtide.integrations.pausing import discard, finish, gate_or, newest, restore_rng, rng_states, unfinished

if TYPE_CHECKING:
    from lowtide.runtime.gate import Gate

__all__ = ["LowtideCallback", "PauseCallback"]

_Base: Any = base_class("keras.callbacks:Callback")


class LowtideCallback(Metered, _Base):  # type: ignore[misc]
    """Measures ``model.fit``: epochs and validations are phases, batches are steps.

    The newest figures are added to the logs of every epoch, so the History and other callbacks behind this one have
    them too.

    Arguments and attributes are those of :class:`~lowtide.integrations.bases.Metered`.
    """

    _of = (_Base, "the Keras callback", "keras")

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


class PauseCallback(_Base):  # type: ignore[misc]
    """Lets ``model.fit`` be paused at the end of an epoch: ``fit`` cannot begin inside one.

    An epoch must fit into the grace that lowtide gives (``--grace``); ``steps_per_epoch`` makes epochs shorter.
    Weights, optimizer and epoch are saved and restored by Keras's own ``BackupAndRestore``; beside them the seeds of
    layers such as Dropout, which it leaves out, and the global random generators of Python, numpy and torch. Give it
    last, so that the other callbacks have ended when the process does. It is for trainings of one process.

    Parameters
    ----------
    folder : str
        Where checkpoints are kept; one is kept at a time, as ``epoch-7``, and none after the training.
    gate : Gate, optional

    Raises
    ------
    MissingExtraError
        If Keras is not installed.
    """

    def __init__(self, folder: str, *, gate: Gate | None = None) -> None:
        check_base(_Base, what="the Keras callback", extra="keras")
        super().__init__()
        self.gate, self._folder, self._paused = gate_or(gate), folder, False

    def on_train_begin(self, logs: Any = None) -> None:
        """Go on from the newest checkpoint, if there is one."""
        kept = newest(self._folder, "epoch")
        if kept is not None:
            self._backup(kept).on_train_begin()
            with open(os.path.join(kept, "random.pickle"), "rb") as file:
                rng, seeds = pickle.load(file)
            restore_rng(rng)
            for variable, seed in zip(_seeds(self.model), seeds, strict=True):
                variable.assign(seed)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell the progress; save and stop if that has been asked."""
        self.gate.progress(epoch + 1, self.params["epochs"])
        if self.gate.should_pause():
            self._save(epoch)
            self._paused = self.model.stop_training = True

    def _save(self, epoch: int) -> None:
        path = os.path.join(self._folder, f"epoch-{epoch + 1}")
        at = unfinished(path)
        self._backup(at).on_epoch_end(epoch)
        seeds = [import_module("keras").ops.convert_to_numpy(variable) for variable in _seeds(self.model)]
        with open(os.path.join(at, "random.pickle"), "wb") as file:
            pickle.dump((rng_states(), seeds), file)
        finish(path, "epoch")

    def _backup(self, path: str) -> Any:
        backup = import_module("keras").callbacks.BackupAndRestore(path, delete_checkpoint=False)
        backup.set_model(self.model)
        return backup

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the process after a pause; after the whole training remove what was kept."""
        if self._paused:
            self.gate.leave()
        discard(self._folder, "epoch")


def _seeds(model: Any) -> list[Any]:
    """Return the states of random generators in layers, which weights do not hold, with those of metrics."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.non_trainable_variables if id(variable) not in weights]
