"""Trainings in real frameworks that are paused; run by test_pausing_frameworks.py with a Python that has them.

python pause_cases.py CASE FOLDER [STEP]     trains, asked to pause at that step; prints JSON

Every loss of a step is kept to the bit, so that a training that was paused can be held against one that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path

from lowtide.runtime import gate as gate_module

gate_module.LOOK_EVERY_S = 0.0  # the steps here take less than the 50 ms between two looks


class Asked:
    """Makes the pause file at one step, as lowtide would at any."""

    def __init__(self, folder: str, step: int) -> None:
        self.file, self.step = Path(folder, "asked"), step
        self.file.unlink(missing_ok=True)
        os.environ["LOWTIDE_PAUSE_FILE"] = str(self.file)
        os.environ["LOWTIDE_PROGRESS_FILE"] = str(Path(folder, "told"))

    def at(self, step: int) -> None:
        """Make the file if it is time."""
        if step == self.step:
            self.file.touch()


def digest(tensors) -> str:
    """Return what tells these weights from all others."""
    return hashlib.sha256(b"".join(t.detach().cpu().numpy().tobytes() for t in tensors)).hexdigest()[:16]


def left_over(folder: str) -> list[str]:
    """Return the names of the checkpoints that are still there."""
    return os.listdir(f"{folder}/pause") if os.path.isdir(f"{folder}/pause") else []


def run(train, folder: str, step: int) -> dict:
    """Train; return the losses so far, the status it left with, and what `train` returns at its end."""
    losses: list[str] = []
    status, end = 0, None
    try:
        end = train(folder, Asked(folder, step), losses)
    except SystemExit as left:
        status = left.code
    told = Path(folder, "told")
    return {"status": status, "losses": losses, "end": end, "told": told.read_text() if told.exists() else ""}


# Lightning


class Loader:
    """A loader that knows its place: the order is that of the epoch, the place is what it has given out of it.

    Lightning restores the place inside an epoch, and names the epoch to ``sampler`` at the beginning of each.
    """

    def __init__(self, data, batch: int) -> None:
        self.data, self.batch, self.epoch, self.place = data, batch, 0, 0
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.data) // self.batch

    def __iter__(self):
        import torch

        if self.place == len(self):
            self.place = 0
        order = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(self.epoch))
        while self.place < len(self):
            self.place += 1
            yield self.data[order[(self.place - 1) * self.batch : self.place * self.batch]]

    def state_dict(self) -> dict:
        return {"epoch": self.epoch, "place": self.place}

    def load_state_dict(self, state: dict) -> None:
        self.epoch, self.place = state["epoch"], state["place"]


def lightning_training(loader="own", devices=1, **options):
    """Return a training of 3 epochs of 10 batches."""
    trainer_options = {name: options.pop(name) for name in [*options] if name != "at"}

    def train(folder, asked, losses):
        import lightning
        import torch

        from lowtide.integrations.lightning import PauseCallback

        n_val = Path(folder, "validations")

        class Model(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.Sequential(
                    torch.nn.Linear(16, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 1)
                )

            def training_step(self, batch, batch_idx):
                loss = (self.layers(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
                losses.append(loss.item().hex())
                return loss

            def validation_step(self, batch, batch_idx):
                n_val.open("a").write(f"{self.global_step}\n")

            def configure_optimizers(self):
                optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
                return [optimizer], [
                    {"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3), "interval": "step"}
                ]

        class Asking(lightning.pytorch.callbacks.Callback):
            def on_train_batch_end(self, trainer, *args):
                asked.at(trainer.global_step)

        lightning.seed_everything(5, verbose=False)
        data = torch.randn(80, 16, generator=torch.Generator().manual_seed(1))
        train_loader = (
            Loader(data, 8)
            if loader == "own"
            else torch.utils.data.DataLoader(data, 8, shuffle=loader == "shuffled")
        )
        pause = PauseCallback(f"{folder}/pause", **options)
        trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", devices=devices, logger=False,
                                    callbacks=[Asking(), pause], enable_progress_bar=False,
                                    enable_model_summary=False, enable_checkpointing=False, default_root_dir=folder,
                                    num_sanity_val_steps=0, **trainer_options)  # fmt: skip
        model = Model()
        trainer.fit(model, train_loader, torch.utils.data.DataLoader(data[:8], 8), ckpt_path=pause.checkpoint)
        return {"digest": digest(model.parameters()), "steps": trainer.global_step,
                "seen": n_val.read_text().split(), "left_over": left_over(folder)}  # fmt: skip

    return train


# Hugging Face, Keras, Accelerate


def transformers_training(folder, asked, losses):
    """Train 3 epochs of 8 steps, with evaluation and dropout."""
    import torch
    import transformers

    from lowtide.integrations.transformers import PauseCallback, last_checkpoint

    class Data(torch.utils.data.Dataset):
        ids = torch.randint(0, 50, (32, 16), generator=torch.Generator().manual_seed(1))

        def __len__(self):
            return len(self.ids)

        def __getitem__(self, i):
            return {"input_ids": self.ids[i], "labels": self.ids[i]}

    evaluated = Path(folder, "evaluated")

    class Asking(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            asked.at(state.global_step)

        def on_log(self, args, state, control, logs=None, **kwargs):
            if "loss" in logs:
                losses.append(float(logs["loss"]).hex())

        def on_evaluate(self, args, state, control, **kwargs):
            evaluated.open("a").write(f"{state.global_step}\n")

    transformers.set_seed(3)
    config = transformers.GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=1, n_head=2)
    args = transformers.TrainingArguments(output_dir=f"{folder}/out", num_train_epochs=3, logging_steps=1,
                                          per_device_train_batch_size=4, report_to=[], save_strategy="no",
                                          eval_strategy="epoch", use_cpu=True, disable_tqdm=True)  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    trainer = transformers.Trainer(model=model, args=args, train_dataset=Data(), eval_dataset=Data(),
                                   callbacks=[Asking(), PauseCallback()])  # fmt: skip
    trainer.train(resume_from_checkpoint=last_checkpoint(args.output_dir))
    return {"digest": digest(model.parameters()), "steps": trainer.state.global_step,
            "seen": evaluated.read_text().split()}  # fmt: skip


def keras_training(folder, asked, losses):
    """Train 4 epochs with shuffling and dropout; `asked` counts epochs."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    from lowtide.integrations.keras import PauseCallback

    class Asking(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(float(logs["loss"]).hex())

        def on_epoch_end(self, epoch, logs=None):
            asked.at(epoch + 1)

    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8), keras.layers.Dropout(0.3, seed=1),
                              keras.layers.Dense(1)])  # fmt: skip
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    x = np.random.default_rng(1).standard_normal((64, 8))
    model.fit(
        x, x[:, :1], epochs=4, batch_size=8, verbose=0, callbacks=[Asking(), PauseCallback(f"{folder}/pause")]
    )
    return {"digest": digest([variable.value for variable in model.trainable_variables]),
            "steps": int(model.optimizer.iterations), "left_over": left_over(folder)}  # fmt: skip


def accelerate_training(folder, asked, losses):
    """Train 3 epochs of 8 steps, as the docs say."""
    import accelerate
    import torch

    from lowtide.integrations.accelerate import PausePoint

    config = accelerate.utils.DataLoaderConfiguration(use_seedable_sampler=True, data_seed=2)
    accelerator = accelerate.Accelerator(cpu=True, dataloader_config=config)
    accelerate.utils.set_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    data = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    loader = torch.utils.data.DataLoader(data, 8, shuffle=True)
    model, optimizer, scheduler, loader = accelerator.prepare(model, optimizer, scheduler, loader)
    n_epochs = 3
    point = PausePoint(accelerator, f"{folder}/pause", total_steps=n_epochs * len(loader))
    for epoch in range(point.step // len(loader), n_epochs):
        loader.set_epoch(epoch)
        for batch in accelerator.skip_first_batches(loader, point.step % len(loader)):
            loss = (model(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
            losses.append(loss.item().hex())
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            asked.at(point.step + 1)
            point.passed()
    return {"digest": digest(model.parameters()), "steps": point.step}


TRAININGS = {
    "lightning": lightning_training(),
    "lightning_validating": lightning_training(val_check_interval=5),
    "lightning_accumulating": lightning_training(accumulate_grad_batches=2),
    "lightning_plain": lightning_training(loader="plain"),
    "lightning_ranks": lightning_training(devices=2, strategy="ddp"),
    "lightning_epochs": lightning_training(loader="shuffled", at="epoch"),
    "transformers": transformers_training,
    "keras": keras_training,
    "accelerate": accelerate_training,
}


def main():
    """Run one training; with CASE=STEP,STEP several, here: alone, then paused at each step and gone on with."""
    warnings.simplefilter("ignore")
    case, folder, *step = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    name, _, steps = case.partition("=")
    if not steps:
        found = run(TRAININGS[name], folder, int(step[0]) if step else -1)
    else:
        pauses = [int(text) for text in steps.split(",")]
        os.makedirs(f"{folder}/alone")
        os.makedirs(f"{folder}/paused")
        found = [run(TRAININGS[name], f"{folder}/alone", -1)]
        found += [run(TRAININGS[name], f"{folder}/paused", step) for step in (*pauses, -1)]
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
