"""Power of accelerators: given, metered, modelled."""

from __future__ import annotations

import pytest

from lowtide.data import levers as levers_module
from lowtide.data.board_power import accelerator, accelerators
from lowtide.data.cases import find_cases
from lowtide.data.constants import constant, constants
from lowtide.data.scaling import exponents, get_exponent
from lowtide.data.tables import parse_table
from lowtide.errors import DataFileError, HardwareError, InputError, QuantityError
from lowtide.estimation.hardware_power import check_power_per_accelerator, power_factor
from lowtide.estimation.lifecycle import chip_embodied_kg
from lowtide.estimation.ranged import Ranged


@pytest.mark.parametrize("model", accelerators(), ids=lambda model: model.name)
def test_every_accelerator_has_a_power_with_a_range(model):
    factor, _ = power_factor(model.name, None, n_processors=8)
    assert 0.0 < factor.amount.low < factor.amount.value < factor.amount.high
    assert 0.5 * model.tdp_w < factor.amount.value < 2.2 * model.tdp_w
    assert factor.source


def test_one_metered_run_takes_the_widest_known_spread():
    # PaLM's 378.5 W alone has no range; H100 spans 635.8 to 900.5 around 820.5
    factor, _ = power_factor("TPU v4", None)
    assert factor.amount.value == 378.5
    assert factor.amount.low == pytest.approx(378.5 * 635.8 / 820.5)


def test_given_power_far_above_design_is_a_remark_and_farther_is_refused():
    assert power_factor("V100", Ranged.exact(330.0))[1] == (
        "V100 was metered at 325 W (Patterson et al. 2021 (arXiv 2104.10350) Table 3: 325 W, sd 2 %)",
    )
    assert "times the design power" in power_factor("V100", Ranged.exact(500.0))[1][-1]
    with pytest.raises(QuantityError, match="whole node"):
        check_power_per_accelerator(601.0, accelerator("V100"))
    with pytest.raises(QuantityError, match="none draws above 3000 W"):
        check_power_per_accelerator(5000.0, None)
    with pytest.raises(HardwareError, match="which accelerators"):
        power_factor(None, None)


def test_constants_are_found_by_name_and_ordered():
    for row in constants().values():
        assert row.low <= row.value <= row.high
    with pytest.raises(InputError, match="did you mean pue_us_mean_2018"):
        constant("pue_us_mean_2081")


def test_names_of_tables_are_helped():
    with pytest.raises(InputError, match="did you mean imagenet-2020"):
        get_exponent("imagnet-2020")
    assert all(row.low is None or row.low < row.exponent < row.high for row in exponents())
    with pytest.raises(InputError, match="groups: patterson, strubell"):
        find_cases("nothing like it")


def test_lever_that_contains_an_unknown_one_is_refused(monkeypatch):
    text = (
        "# title: t\n# unit: 1\n# source: s\n# licence: l\n"
        "name,m,effect,phase,low,value,high,what,applies_to,contains,overlaps,accuracy,rebound,year,source\n"
        "a,model,energy,both,1,2,3,w,x,nothing,,y,z,2020,s\n"
    )
    columns = text.splitlines()[4].split(",")
    table = parse_table(text, path="levers.csv", columns=columns, key=("name",))
    levers_module.levers.cache_clear()
    monkeypatch.setattr(levers_module, "read_table", lambda *_: table)
    with pytest.raises(DataFileError, match="'nothing' is no lever"):
        levers_module.levers()
    levers_module.levers.cache_clear()


def test_chip_by_area_and_memory():
    # 8.26 cm2 x 1.6 + 80 GB x 0.4 + 1000 GB x 0.018 = 13.216 + 32 + 18
    assert chip_embodied_kg(8.26, process_nm=7, dram_gb=80, ssd_gb=1000) == pytest.approx(63.216)
    with pytest.raises(InputError, match="no figure for 5 nm"):
        chip_embodied_kg(8.26, process_nm=5)
    with pytest.raises(InputError, match="die_cm2 must be 0 or more"):
        chip_embodied_kg(-1.0, process_nm=7)
