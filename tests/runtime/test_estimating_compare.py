"""The intensity inputs of ``compare``, ``federated`` and ``plan`` are those of everywhere."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import InputError

BOTH = "ts_utc,ci_direct,ci_lca,moer_g_per_kwh\n2026-03-01T00:00Z,80,100,700\n2026-03-01T01:00Z,80,100,700\n"
COMPARE = "compare", "--gpus", "8xV100", "--duration", "1h", "--zone", "DE"
FEDERATED = (
    "federated", "--clients", "10", "--rounds", "10", "--model-mb", "1", "--download", "50", "--upload", "10",
    "--zone", "DE",
)  # fmt: skip


def lowtide(*words):
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def grams(document):
    return document["rows"][0]["emissions_g"] if "rows" in document else document["groups"][0]["emissions_g"]


@pytest.mark.parametrize("words", [COMPARE, FEDERATED])
def test_factors_change_the_answer(words):
    usual = grams(lowtide(*words))
    assert grams(lowtide(*words, "--factors", "direct")) < 0.95 * usual
    same = grams(lowtide(*words, "--factors", "lifecycle", "--provider", "typical"))
    assert same == pytest.approx(usual, rel=1e-3)  # the window moves with the clock


@pytest.mark.parametrize("words", [COMPARE, FEDERATED])
def test_provider_and_basis_are_checked(words):
    with pytest.raises(InputError, match="set LOWTIDE_ELECTRICITYMAPS_KEY"):
        lowtide(*words, "--provider", "electricitymaps")
    with pytest.raises(InputError, match="no provider of marginal intensity"):
        lowtide(*words, "--basis", "marginal")


def test_plan_shows_the_market_account_beside(tmp_path):
    path = tmp_path / "both.csv"
    path.write_text(BOTH)
    found = lowtide(
        "plan", "--intensity", str(path), "--market", "20", "--duration", "1h", "--power", "2kW", "--pue", "1.5",
        "--start", "2026-03-01T00:00Z", "--within", "2h",
    )  # fmt: skip
    base = found["baseline"]
    assert (base["emissions_g"], base["marginal_g"], base["market_g"]) == (300.0, 2100.0, 60.0)  # 3 kWh each
    assert all(plan["market_g"] == 60.0 for plan in found["plans"])
