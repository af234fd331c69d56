"""Accelerators by the names people and drivers give them."""

from __future__ import annotations

import pytest

from lowtide.data.board_power import accelerator, accelerators
from lowtide.errors import InputError


@pytest.mark.parametrize(
    ("typed", "name", "tdp_w"),
    [
        ("v100", "V100", 300.0),
        ("Tesla V100-SXM2-16GB", "V100", 300.0),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB", 400.0),
        ("A100-PCIE-40GB", "A100 PCIe", 250.0),
        ("NVIDIA H100 80GB HBM3", "H100", 700.0),
        ("NVIDIA H100 PCIe", "H100 PCIe", 350.0),
        ("NVIDIA GeForce RTX 3090", "RTX 3090", 350.0),
        ("AMD Instinct MI300X", "MI300X", 750.0),
        ("TPUv3", "TPU v3", 450.0),
        ("Tesla T4", "T4", 70.0),
    ],
)
def test_names_are_understood_as_typed(typed: str, name: str, tdp_w: float) -> None:
    found = accelerator(typed)
    assert (found.name, found.tdp_w) == (name, tdp_w)


def test_unknown_names_say_close_ones() -> None:
    with pytest.raises(InputError, match=r"unknown accelerator 'V1000'; did you mean v100.*give --power W"):
        accelerator("V1000")


def test_every_row_is_sane_and_named_once() -> None:
    assert len(accelerators()) >= 40
    assert len({one.name for one in accelerators()}) == len(accelerators())
    assert {one.vendor for one in accelerators()} == {"NVIDIA", "AMD", "Intel", "Google"}
