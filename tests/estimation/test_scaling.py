"""Scaling fits, fronts, budgets."""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.cli.main import main
from lowtide.errors import InputError
from lowtide.estimation.scaling import (
    Trained,
    affordable_runs,
    budget_curve,
    compute_factor,
    fit_scaling,
    pareto_front,
)

trained = st.lists(
    st.builds(Trained, name=st.just("r"), score=st.floats(0.0, 0.99), emissions_g=st.floats(0.1, 1e6)),
    min_size=1,
    max_size=12,
)


@given(st.floats(1.0, 20.0), st.floats(1e-3, 1e3))
def test_fit_gives_the_exponent_of_exact_data_back(k, scale):
    error = np.array([0.8, 0.4, 0.2, 0.1])
    fit = fit_scaling(scale * error**-k, error)
    assert fit.exponent == pytest.approx(k, rel=1e-6)
    assert fit.low == pytest.approx(k, rel=1e-4)


def test_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    compute = np.logspace(0, 4, 12)
    held = 0
    for _ in range(300):
        fit = fit_scaling(compute, compute**-0.25 * np.exp(rng.normal(0.0, 0.1, 12)))
        held += fit.low <= 4.0 <= (np.inf if fit.high is None else fit.high)
    assert 0.85 <= held / 300 <= 0.95  # a 90 % interval


def test_runs_that_do_not_rule_out_no_help_have_no_upper_end():
    fit = fit_scaling([1.0, 10.0, 100.0], [0.5, 0.2, 0.45])
    assert fit.high is None


@given(st.floats(0.01, 0.9), st.floats(1.01, 10.0), st.floats(1.0, 15.0))
def test_two_steps_cost_what_one_does(error, step, k):
    whole = compute_factor(error, error / step**2, exponent=k)
    assert whole == pytest.approx(compute_factor(error, error / step, exponent=k) ** 2)
    assert whole >= 1.0


@given(trained)
def test_front_is_beaten_by_no_run(runs):
    front = pareto_front(runs)
    for chosen in front:
        assert not any(r.score > chosen.score and r.emissions_g <= chosen.emissions_g for r in runs)
    assert max(r.score for r in runs) == front[-1].score


@given(trained)
def test_curve_rises_to_at_most_the_best(runs):
    best = [point.expected_best for point in budget_curve(runs)]
    assert all(b <= a + 1e-12 for b, a in pairwise(best))
    assert best[0] == pytest.approx(np.mean([r.score for r in runs]))
    assert best[-1] <= max(r.score for r in runs) + 1e-12


@given(trained, st.floats(0.1, 1e7))
def test_runs_that_fit_do_fit(runs, budget):
    spent = sum(r.emissions_g for r in runs)
    n = affordable_runs(runs, budget)
    assert n == 0 or spent + n * spent / len(runs) <= budget * (1 + 1e-9)


@pytest.mark.parametrize(
    ("compute", "error", "says"),
    [
        ([1.0, 2.0], [0.5, 0.4], "at least 3 runs"),
        ([1.0, 1.0, 1.0], [0.5, 0.4, 0.3], "different compute"),
        ([1.0, 2.0, 4.0], [0.1, 0.2, 0.4], "did not lower the error"),
        ([1.0, 2.0, 4.0], [0.1, 0.0, 0.4], "above 0 in every run"),
        ([1.0, 2.0, 4.0], [0.1, 0.2], "must match"),
    ],
)
def test_runs_without_a_fit_are_refused(compute, error, says):
    with pytest.raises(InputError, match=says):
        fit_scaling(compute, error)


@pytest.fixture
def lowtide(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lowtide", "scaling", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


RUNS = (
    "name,error,energy_kwh,emissions_g\nxs,0.8,1,100\ns,0.4,16,1600\nm,0.2,256,25600\nwaste,0.21,300,30000\n"
)


def test_command_fits_the_users_runs(lowtide, tmp_path):
    (tmp_path / "runs.csv").write_text(RUNS)
    words = ("--runs", str(tmp_path / "runs.csv"), "--error", "0.2", "--target", "0.1", "--emissions", "25.6kg",
             "--budget", "100kg")  # fmt: skip
    status, out, _ = lowtide(*words, "--json")
    plain = json.loads(out)
    assert status == 0
    assert plain["fit"]["exponent"] == pytest.approx(4.1, abs=0.2)
    assert plain["emissions_g"] == pytest.approx(25_600 * plain["compute_factor"])
    assert [row["name"] for row in plain["pareto"]] == ["xs", "s", "m"]
    # spent 57,300 g in 4 runs, 14,325 g each; 42,700 g are left
    assert plain["more_runs"] == 2
    assert "2 more runs like these fit" in lowtide(*words)[1]
    assert "stop the sweep" in lowtide(*words[:-1], "60kg")[1]


def test_runs_of_the_ledger_are_read_with_their_tags(lowtide, monkeypatch, capsys):
    import lowtide as lt

    status, _, err = lowtide("--metric", "accuracy")
    assert status == 1
    assert "--tag accuracy=0.93" in err
    for accuracy in ("0.8", "0.9"):
        with lt.measure(
            name="sweep", intensity=400, interval=0.1, tags={"accuracy": accuracy, "kind": "tuning"}
        ):
            time.sleep(0.3)
    status, out, _ = lowtide("--metric", "accuracy", "--json")
    assert status == 0
    assert max(row["score"] for row in json.loads(out)["pareto"]) == 0.9
    monkeypatch.setattr(sys, "argv", ["lowtide", "estimate", "--experiments", "ledger:sweep", "--json"])
    with pytest.raises(SystemExit):
        main()
    found = json.loads(capsys.readouterr().out)
    assert found["by_kind"]["tuning_kwh"] == pytest.approx(found["node_kwh"])
    assert len(found["runs"]) == 2


def test_front_is_drawn(lowtide, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(RUNS)
    assert lowtide("--runs", "runs.csv", "--plot", "front.png")[0] == 0
    assert (tmp_path / "front.png").read_bytes()[:4] == b"\x89PNG"
    status, _, err = lowtide("--plot", "front.png")
    assert status == 1
    assert "nothing to draw" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--error", "10%"), "give --error and --target"),
        (("--error", "5%", "--target", "10%", "--published", "imagenet-2020"), "swap --error and --target"),
        (("--error", "10", "--target", "5"), "10 % is 0.1"),
        (("--published", "imagnet-2020"), "did you mean imagenet-2020"),
        (("--emissions", "5kg"), "needs --error and --target"),
        (("--budget", "5kg"), "finish one first"),
        (("--runs", "a", "--metric", "b"), "give the runs once"),
    ],
)
def test_wrong_inputs_are_refused(lowtide, words, says):
    status, _, err = lowtide(*words)
    assert status == 1
    assert says in err


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,0.5,,1", "energy_kwh or flops"),
        ("a,,1,1", "score or error"),
        ("a,x,1,1", "no number"),
        ("a,1.5,1,1", "93 % is 0.93"),
    ],
)
def test_wrong_rows_name_their_line(lowtide, tmp_path, row, says):
    (tmp_path / "runs.csv").write_text(f"name,error,energy_kwh,emissions_g\n{row}\n")
    status, _, err = lowtide("--runs", str(tmp_path / "runs.csv"))
    assert status == 1
    assert says in err
    assert "line 2" in err
