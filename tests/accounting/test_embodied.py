"""The share of a machine's manufacture that falls on a run."""

from __future__ import annotations

import pytest

from lowtide.accounting.embodied import embodied_share
from lowtide.errors import InputError


def test_share_is_time_over_lifetime():
    # 876 kg over 10 years of 8760 h is 10 g an hour
    bill = embodied_share(876.0, duration_h=3.0, lifetime_years=10.0)
    assert bill.g == pytest.approx(30.0, rel=1e-12)


def test_low_utilization_of_the_machine_makes_each_hour_dearer():
    # 10 g an hour, half of the machine, used half of its life
    bill = embodied_share(876.0, duration_h=1.0, lifetime_years=10.0, utilization=0.5, machine_share=0.5)
    assert bill.g == pytest.approx(10.0, rel=1e-12)
    assert (bill.device_kg, bill.lifetime_years, bill.utilization, bill.machine_share, bill.duration_h) == (
        876.0, 10.0, 0.5, 0.5, 1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device_kg": -1.0}, "device_kg -1 must not be negative"),
        ({"duration_h": float("nan")}, "duration_h nan must not be negative"),
        ({"lifetime_years": 0.0}, "lifetime_years 0 must be positive; servers live 3 to 6 years"),
        ({"utilization": 85.0}, "utilization 85 must be a fraction above 0 and at most 1; write 85% as 0.85"),
        ({"machine_share": 0.0}, "machine_share 0 must be a fraction above 0"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    values = {"device_kg": 1000.0, "duration_h": 1.0, "lifetime_years": 4.0, **changes}
    with pytest.raises(InputError, match=message):
        embodied_share(values.pop("device_kg"), **values)
