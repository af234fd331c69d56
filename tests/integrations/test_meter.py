"""What callbacks share, without any framework."""

import time
import warnings

import pytest

from lowtide.errors import MissingExtraError
from lowtide.integrations.bases import base_class, check_base
from lowtide.integrations.meter import TrainingMeter
from lowtide.integrations.sinks import METRICS, MemorySink, TensorBoardSink, WandbSink


def train(meter, *, steps=12, pause_s=0.05):
    meter.start(total_steps=steps)
    meter.begin("train")
    for _ in range(steps):
        time.sleep(pause_s)
        meter.step()
    meter.finish()
    meter.end()


def test_figures_reach_the_sink_under_documented_names_and_end_at_the_bill():
    sink = MemorySink()
    meter = TrainingMeter(sinks=[sink], log_every_s=0.1, interval=0.05, intensity=400)
    train(meter)
    names = {name for _, _, values in sink.rows for name in values}
    assert {"lowtide/energy_kwh", "lowtide/power_w", "lowtide/emissions_g"} <= names <= set(METRICS)
    assert "lowtide/predicted_energy_kwh" in names
    energies = [values["lowtide/energy_kwh"] for _, _, values in sink.rows]
    assert energies == sorted(energies)
    assert energies[-1] == meter.result.energy.total_kwh
    # what was summed piece by piece is what the bill says, up to the last reading before the end
    assert energies[-2] == pytest.approx(energies[-1], rel=0.5)
    assert sink.rows[-1][0] == 12


def test_pieces_of_a_live_run_sum_to_its_bill():
    meter = TrainingMeter(log_every_s=0.0, interval=0.05)
    meter.start()
    for _ in range(8):
        time.sleep(0.06)
        meter.log()
    before = meter.latest["lowtide/energy_kwh"]
    seconds = meter.latest["lowtide/duration_s"]
    meter.end()
    assert before == pytest.approx(
        meter.result.energy.total_kwh * seconds / (meter.result.n_readings * 0.05), rel=0.25
    )


def test_sink_that_fails_is_said_once_and_stops_nothing():
    class Broken:
        n = 0

        def log(self, values, *, step, t_ns):
            self.n += 1
            raise ConnectionError("down")

    broken, sink = Broken(), MemorySink()
    meter = TrainingMeter(sinks=[broken, sink], log_every_s=0.05, interval=0.05)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(meter, steps=8)
    assert broken.n == 1
    assert len(sink.rows) > 1
    assert [str(w.message) for w in caught if "Broken failed" in str(w.message)] == [
        "lowtide: Broken failed and is left alone (ConnectionError: down)"
    ]


def test_mistake_in_an_option_is_a_warning_once_training_has_begun():
    meter = TrainingMeter(zone="DEE")
    with pytest.warns(RuntimeWarning, match="not measured.*DEE"):
        meter.start()
    meter.step()
    meter.begin("train")
    meter.end()
    assert meter.result is None
    assert not meter.running


def test_only_the_first_rank_sends_figures(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "n", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    sink = MemorySink()
    meter = TrainingMeter(sinks=[sink], log_every_s=0.0, interval=0.05)
    train(meter, steps=4)
    assert sink.rows == []
    assert meter.result is None
    assert meter.run_id is not None


def test_one_meter_measures_trainings_one_after_another():
    meter = TrainingMeter(interval=0.05)
    train(meter, steps=2)
    first = meter.run_id
    train(meter, steps=2)
    assert meter.run_id != first


def test_total_steps_give_a_prediction():
    meter = TrainingMeter(interval=0.05)
    meter.start(total_steps=100)
    for _ in range(12):
        time.sleep(0.05)
        meter.step()
    made = meter.predict()
    meter.end()
    assert made.total_steps == 100
    assert made.energy_kwh.low < made.energy_kwh.value < made.energy_kwh.high


def test_missing_framework_says_which_extra():
    base = base_class("no_framework_of_that_name:Callback", "lowtide:NoSuchName")
    assert base is object
    with pytest.raises(MissingExtraError, match=r"lowtide\[lightning\]"):
        check_base(base, what="the Lightning callback", extra="lightning")


def test_sinks_speak_their_tracker_s_language():
    class Writer:
        def add_scalar(self, *args, **kwargs):
            self.seen = args, kwargs

    class Run:
        defined, logged = (), ()

        def define_metric(self, *args, **kwargs):
            self.defined += (args,)

        def log(self, values, **kwargs):
            self.logged += ((values, kwargs),)

    writer, run = Writer(), Run()
    TensorBoardSink(writer).log({"lowtide/power_w": 9.0}, step=2, t_ns=1_500_000_000)
    assert writer.seen == (("lowtide/power_w", 9.0), {"global_step": 2, "walltime": 1.5})
    WandbSink(run).log({"lowtide/power_w": 9.0}, step=2, t_ns=0)
    assert run.logged == (({"lowtide/power_w": 9.0, "lowtide/step": 2}, {"commit": False}),)
