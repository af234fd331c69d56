"""Real training steps in real frameworks; run by test_frameworks.py with a Python that has them.

python framework_cases.py CASE     prints JSON
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings


def _result(meter, **more):
    return {
        "run_id": meter.run_id,
        "kwh": None if meter.result is None else meter.result.energy.total_kwh,
        "phases": [] if meter.result is None else [p.name for p in meter.result.phases],
        "n_steps": None if meter.result is None or meter.result.steps is None else meter.result.steps.n,
        "software": sorted(_telemetry(meter)),
        **more,
    }


def _telemetry(meter):
    from lowtide.stores.ledger import Ledger

    return Ledger(os.environ["LOWTIDE_LEDGER"]).end(meter.run_id).telemetry.software


def _options():
    from lowtide.integrations.sinks import MemorySink

    sink = MemorySink()
    return sink, {"sinks": [sink], "log_every_s": 0.2, "interval": 0.1, "intensity": 400}


def lightning_case():
    import lightning
    import torch
    from lightning.pytorch.loggers import CSVLogger

    from lowtide.integrations.lightning import LowtideCallback

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(256, 256)

        def training_step(self, batch, batch_idx):
            import time

            time.sleep(0.02)
            return self.layer(batch).pow(2).mean()

        def validation_step(self, batch, batch_idx):
            self.log("val", self.layer(batch).mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    sink, options = _options()
    callback = LowtideCallback(**options)
    data = torch.utils.data.DataLoader(torch.randn(160, 256), batch_size=8)
    folder = tempfile.mkdtemp()
    logger = CSVLogger(folder)
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", devices=1, logger=logger, callbacks=[callback],
                                enable_progress_bar=False, enable_model_summary=False,
                                enable_checkpointing=False, log_every_n_steps=1)  # fmt: skip
    trainer.fit(Model(), data, torch.utils.data.DataLoader(torch.randn(16, 256), batch_size=8))
    logger.save()
    with open(f"{logger.log_dir}/metrics.csv") as file:
        logged = file.readline()
    return _result(callback.meter, version=lightning.__version__, logged="lowtide/energy_kwh" in logged,
                   rows=len(sink.rows))  # fmt: skip


def transformers_case():
    import torch
    import transformers

    from lowtide.integrations.transformers import LowtideCallback

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, i):
            ids = torch.randint(0, 50, (16,))
            return {"input_ids": ids, "labels": ids}

    config = transformers.GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=1, n_head=2)
    sink, options = _options()
    callback = LowtideCallback(**options)
    args = transformers.TrainingArguments(output_dir=tempfile.mkdtemp(), num_train_epochs=2, logging_steps=4,
                                          per_device_train_batch_size=4, report_to=[], save_strategy="no",
                                          use_cpu=True, disable_tqdm=True)  # fmt: skip
    trainer = transformers.Trainer(model=transformers.GPT2LMHeadModel(config), args=args, train_dataset=Data(),
                                   callbacks=[callback])  # fmt: skip
    trainer.train()
    logged = any("lowtide/energy_kwh" in row for row in trainer.state.log_history)
    return _result(callback.meter, version=transformers.__version__, logged=logged, rows=len(sink.rows))


def keras_case():
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    from lowtide.integrations.keras import LowtideCallback

    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(64), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    sink, options = _options()
    callback = LowtideCallback(**options)
    x = np.random.default_rng(1).standard_normal((640, 64))
    history = model.fit(x, x[:, :1], epochs=2, batch_size=32, verbose=0, callbacks=[callback],
                        validation_split=0.25)  # fmt: skip
    return _result(callback.meter, version=keras.__version__, logged="lowtide/energy_kwh" in history.history,
                   rows=len(sink.rows))  # fmt: skip


def accelerate_case():
    import accelerate
    import torch

    from lowtide.integrations.accelerate import LowtideTracker

    sink, options = _options()
    tracker = LowtideTracker(**options)
    accelerator = accelerate.Accelerator(cpu=True, log_with=[tracker])
    accelerator.init_trackers("demo")
    model = torch.nn.Linear(64, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model, optimizer = accelerator.prepare(model, optimizer)
    for step in range(40):
        loss = model(torch.randn(32, 64)).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        import time

        time.sleep(0.01)
        accelerator.log({"loss": float(loss)}, step=step)
    accelerator.end_training()
    return _result(tracker.meter, version=accelerate.__version__, logged=True, rows=len(sink.rows))


def torch_case():
    """The plain loop of the docs, with the profile of a block and a prediction."""
    import time

    import torch

    import lowtide

    model = torch.nn.Linear(64, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with lowtide.measure(name="loop", interval=0.1, intensity=400) as m:
        made = None
        for _ in range(2):
            with m.phase("train"):
                for _ in range(30):
                    model(torch.randn(32, 64)).pow(2).mean().backward()
                    optimizer.step()
                    time.sleep(0.02)
                    m.step()
                    m.count("sample", 32)
            made = m.predict(total_steps=120)
    return {"run_id": m.run_id, "kwh": m.result.energy.total_kwh, "phases": [p.name for p in m.result.phases],
            "n_steps": m.result.steps.n, "software": [], "version": torch.__version__, "logged": made is not None,
            "rows": 1}  # fmt: skip


def sinks_case():
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow
    import torch
    from torch.utils.tensorboard import SummaryWriter

    from lowtide.integrations.sinks import MlflowSink, TensorBoardSink, WandbSink

    folder = tempfile.mkdtemp()
    values = {"lowtide/energy_kwh": 0.25, "lowtide/power_w": 90.0}
    mlflow.set_tracking_uri(f"file://{folder}/ml")
    silent = MlflowSink()
    silent.log(values, step=1, t_ns=10**18)  # no active run: nothing, and no run is started
    assert mlflow.active_run() is None
    with mlflow.start_run() as run:
        MlflowSink().log(values, step=3, t_ns=10**18)
    metric = mlflow.MlflowClient().get_metric_history(run.info.run_id, "lowtide/energy_kwh")[0]
    writer = SummaryWriter(f"{folder}/tb")
    TensorBoardSink(writer).log(values, step=3, t_ns=10**18)
    writer.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(f"{folder}/tb")
    events.Reload()
    scalar = events.Scalars("lowtide/power_w")[0]
    wandb_ok = None
    if _has("wandb"):
        import wandb

        run = wandb.init(mode="offline", dir=folder, project="demo")
        WandbSink(run).log(values, step=3, t_ns=10**18)
        run.log({"loss": 1.0})
        wandb_ok = run.summary["lowtide/energy_kwh"] == 0.25 and run.summary["lowtide/step"] == 3
        run.finish()
    return {"mlflow": [metric.value, metric.step, metric.timestamp], "tensorboard": [scalar.value, scalar.step],
            "wandb": wandb_ok, "version": f"mlflow {mlflow.__version__}, torch {torch.__version__}"}  # fmt: skip


def _has(name):
    from importlib.util import find_spec

    return find_spec(name) is not None


def main():
    """Run the case named on the command line."""
    warnings.simplefilter("ignore")
    case = sys.argv[1]
    print("RESULT " + json.dumps(globals()[f"{case}_case"]()))


if __name__ == "__main__":
    main()
