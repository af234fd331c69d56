"""The examples of docs/reference/intensity-files.md are read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lowtide.grid.files import read_intensity_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "intensity-files.md"
EXAMPLE = re.compile(r"^```csv\n(.*?)^```\n\nRead as: `(.*?)`$", re.DOTALL | re.MULTILINE)
EXAMPLES = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


def test_every_example_says_what_is_read():
    assert len(EXAMPLES) == PAGE.read_text(encoding="utf-8").count("```csv") == 9


@pytest.mark.parametrize(("text", "reading"), EXAMPLES)
def test_example(tmp_path, text, reading):
    path = tmp_path / "example.csv"
    path.write_text(text, encoding="utf-8")
    found = read_intensity_table(path).series
    expected = dict(part.split(":") for part in reading.split("|"))
    assert [zone or "" for zone in found] == [zone.strip() for zone in expected]
    for series, values in zip(found.values(), expected.values(), strict=True):
        numbers = [np.nan if v == "-" else float(v) for v in values.split()]
        np.testing.assert_allclose(series.intensity_g_per_kwh, numbers, rtol=1e-12)
