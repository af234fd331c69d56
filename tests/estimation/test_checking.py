"""Errors that published documents contain are found, and their slips named."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.cli.main import main
from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.estimation.checking import check_claim
from lowtide.estimation.claims import claim_of, front_matter, parse_grams, parse_intensity, parse_rate
from lowtide.estimation.slips import Claim

GPT3 = {"n_gpus": 10_000.0, "gpu": "V100", "hours": 14.8 * 24}


def worst(claim: Claim) -> tuple[str, str, str]:
    finding = check_claim(claim)[0]
    return finding.rule, finding.severity, finding.slip


PUBLISHED_ERRORS = {
    # Software Carbon Intensity for AI, examples: 6500 kg over 50e9 tokens is 0.13 g per 1e3, not per 1e6
    "SCI for AI, per million tokens": (
        Claim(emissions_g=6500e3, n_tokens=50e9, rate_g=0.13, rate_size=1e6), ("rate", "impossible", "1000")),
    # 75,000 kg over 2.5e9 parameters are 30,000 kg per 1e9; the text prints 3000 and 30
    "SCI for AI, 3000 kg per 1e9 parameters": (
        Claim(emissions_g=75e6, n_parameters=2.5e9, rate_g=3e6, rate_size=1e9, rate_unit="parameter"),
        ("rate", "impossible", "decimal point")),
    "SCI for AI, 30 kg per 1e9 parameters": (
        Claim(emissions_g=75e6, n_parameters=2.5e9, rate_g=3e4, rate_size=1e9, rate_unit="parameter"),
        ("rate", "impossible", "1000")),
    # CodeCarbon's methodology page prints 731.59 kg/kWh for a mix of 731.59 kg/MWh
    "CodeCarbon, kg/kWh": (
        Claim(intensity_g_per_kwh=731_590.0), ("stated intensity", "impossible", "kg/MWh")),
    # Wu et al. 2022: 28.5 % over two years in the figure, 25.8 % in section VI
    "Wu et al., 25.8 %": (
        Claim(before=100.0, after=71.5, saving_fraction=0.258), ("saving", "impossible", "")),
    # OLMo: 230 MWh at 351 g/kWh are 81 t, the row prints 101 t: 1.25 times
    "OLMo 13B": (
        Claim(energy_kwh=230e3, emissions_g=101e6, intensity_g_per_kwh=351.0, pue=1.12),
        ("implied intensity", "suspicious", "PUE")),
    # Llama 3.3 70B: 39.3M GPU-hours are those of several models; 15e12 tokens in them use 4.5 % of the peak
    "Llama 3.3": (
        Claim(gpu_hours=39.3e6, gpu="H100", n_parameters=70e9, n_tokens=15e12),
        ("tokens against hours", "suspicious", "other models")),
    # Patterson et al. 2021, appendix D: 979e6 x 0.00012 h = 117,480 h, printed 117,780
    "Patterson, 117,780": (
        Claim(n_gpus=979e6, hours=0.00012, gpu_hours=117_780.0), ("hours", "suspicious", "mistyped")),
    # a model card of GPT-3 with 5,521,000 kg instead of 552,100
    "GPT-3 card with energy": (
        Claim(energy_kwh=1_287_000.0, emissions_g=5521e6), ("implied intensity", "impossible", "decimal point")),
    "GPT-3 card with hours alone": (
        Claim(**GPT3, emissions_g=5521e6), ("implied intensity", "impossible", "decimal point")),
    # an estimator that gives BLOOM 235 t instead of 24.7 t: 543 g/kWh in France
    "BLOOM, 235 t": (
        Claim(gpu_hours=1_082_990.0, gpu="A100", emissions_g=235e6, zone="FR"),
        ("zone", "impossible", "decimal point")),
    # GPT-3 with PUE once more: 1,287 x 1.1 = 1,416 MWh
    "GPT-3, PUE twice": (
        Claim(**GPT3, power_w=330.0, pue=1.1, energy_kwh=1_416_000.0, energy_of="facility"),
        ("energy", "suspicious", "PUE was applied twice")),
    # kilograms where a Hugging Face card wants grams
    "card in kilograms": (
        Claim(energy_kwh=433_196.0, emissions_g=24_690.0, zone="FR"), ("implied intensity", "impossible", "1000")),
    "power of a node for a GPU": (
        Claim(n_gpus=8.0, gpu="V100", hours=10.0, power_w=2640.0), ("power", "impossible", "node")),
    "tokens that fit no hours": (
        Claim(**GPT3, n_parameters=175e9, n_tokens=300e12), ("tokens against hours", "impossible", "")),
    "pounds for kilograms": (
        Claim(energy_kwh=1000.0, emissions_g=1000 * 400 * 2.20462, intensity_g_per_kwh=400.0),
        ("implied intensity", "impossible", "pounds")),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED_ERRORS)
def test_known_error_is_caught_and_explained(name):
    claim, (rule, severity, slip) = PUBLISHED_ERRORS[name]
    found = worst(claim)
    assert found[:2] == (rule, severity)
    assert slip in found[2]


def test_the_right_figures_of_gpt3_are_plausible():
    claim = Claim(**GPT3, energy_kwh=1_287_000.0, energy_of="facility", pue=1.1, emissions_g=552.1e6,
                  intensity_g_per_kwh=429.0, n_parameters=175e9, n_tokens=300e9, power_w=330.0)  # fmt: skip
    assert {finding.severity for finding in check_claim(claim)} == {"fine"}


def test_the_right_figures_of_bloom_are_plausible():
    claim = Claim(gpu_hours=1_082_990.0, gpu="A100", energy_kwh=433_196.0, emissions_g=24.69e6, zone="FR")
    assert {finding.severity for finding in check_claim(claim)} == {"fine"}


@given(st.floats(10.0, 1e7), st.floats(20.0, 1000.0))
def test_consistent_energy_and_intensity_are_never_impossible(kwh, g):
    claim = Claim(energy_kwh=kwh, emissions_g=kwh * g, intensity_g_per_kwh=g)
    assert worst(claim)[1] == "fine"


@given(st.floats(10.0, 1e7), st.floats(20.0, 1000.0), st.sampled_from([1e3, 1e-3, 1e6, 1e-6]))
def test_a_unit_slip_is_always_caught(kwh, g, slip):
    found = check_claim(Claim(energy_kwh=kwh, emissions_g=kwh * g * slip, intensity_g_per_kwh=g))
    assert found[0].severity == "impossible"


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="nothing to compare"):
        check_claim(Claim(energy_kwh=1.0))
    with pytest.raises(InputError, match="energy_kwh must be above 0"):
        Claim(energy_kwh=-1.0)


def test_units_of_claims():
    assert parse_grams("192 lb") == pytest.approx(87_089.7, abs=0.1)  # 192 x 453.59237
    assert parse_grams("24.7 kg CO2e") == 24_700.0
    assert parse_intensity("0.429kgCO2e/kWh") == pytest.approx(429.0)
    assert parse_rate("4g/1e15:flop") == (4.0, 1e15, "flop")
    for parse, text in ((parse_grams, "5 stone"), (parse_intensity, "429 g"), (parse_rate, "4g per token")):
        with pytest.raises(QuantityError):
            parse(text)


CARD = """---
license: bigscience-bloom-rail-1.0   # a comment
language:
- fr
co2_eq_emissions:
  emissions: 24690   # kilograms by mistake
  source: "paper"
  training_type: pre-training
  geographical_location: Orsay, France
  hardware_used: 384 A100 80GB
---
# BLOOM
"""


def test_card_is_read_without_a_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    claim = claim_of(front_matter(CARD, path="README.md"), path="README.md")
    assert (claim.emissions_g, claim.n_gpus, claim.gpu) == (24690.0, 384.0, "A100")


def test_card_with_a_bare_number_is_read():
    claim = claim_of(front_matter("---\nco2_eq_emissions: 149200.8\n---\n", path="x"), path="x")
    assert claim.emissions_g == 149200.8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\na: 1\n", "never ends"),
        ("no colon here", "line 1: cannot read 'no colon here'"),
        ("enrgy: 5kWh", "did you mean energy"),
        ("energy: lots", "cannot read 'lots'"),
        ("energy: 5kWh\nenergy_of: house", "gpu, node or facility"),
    ],
)
def test_wrong_files_are_refused(text, says):
    with pytest.raises(DataFileError, match=says):
        claim_of(front_matter(text, path="c.yaml"), path="c.yaml")


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["lowtide", "check", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0), *capsys.readouterr()


def test_command_reads_cards_files_and_options(monkeypatch, capsys, tmp_path):
    card = tmp_path / "README.md"
    card.write_text(CARD)
    status, out, _ = run(monkeypatch, capsys, str(card), "--energy", "433196kWh", "--zone", "FR", "--json")
    plain = json.loads(out)
    assert (status, plain["verdict"]) == (1, "impossible")
    assert "kg for g" in plain["findings"][0]["slip"]
    for name, text in (
        ("c.toml", 'energy = "1287MWh"\nemissions = "552.1t"\n'),
        ("c.yaml", "energy: 1287MWh\nemissions: 552.1t\n"),
    ):
        (tmp_path / name).write_text(text)
        status, out, _ = run(monkeypatch, capsys, str(tmp_path / name))
        assert (status, out.splitlines()[-1]) == (0, "verdict     plausible")


def test_card_without_emissions_is_checked_by_the_options(monkeypatch, capsys, tmp_path):
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\ntags:\n- text\n---\n# Model\n")
    status, out, _ = run(monkeypatch, capsys, str(card), "--energy", "1287MWh", "--emissions", "552.1t")
    assert (status, out.splitlines()[-1]) == (0, "verdict     plausible")
    status, _, err = run(monkeypatch, capsys, str(card))
    assert status == 1
    assert "nothing is claimed" in err


def test_command_without_a_claim_says_what_to_give(monkeypatch, capsys):
    status, _, err = run(monkeypatch, capsys)
    assert status == 1
    assert "nothing is claimed: give a FILE" in err


def test_unknown_hardware_is_said_and_not_guessed():
    found = check_claim(Claim(n_gpus=8.0, gpu="Z99", hours=10.0, energy_kwh=100.0, emissions_g=40_000.0))
    assert [(f.rule, f.severity) for f in found] == [("hardware", "unknown"), ("implied intensity", "fine")]
