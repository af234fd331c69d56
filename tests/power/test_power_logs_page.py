"""The page that shows the forms of power logs is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lowtide.power.logs import read_power_log
from lowtide.testing.builders import START_NS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "power-logs.md"
EXAMPLES = re.findall(r"```csv\n(.*?)```\n\nRead as: ([^\n]*)\n", PAGE.read_text(), re.DOTALL)


def test_page_has_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(("content", "promise"), EXAMPLES)
def test_example_is_read_as_the_page_says(tmp_path, content, promise):
    path = tmp_path / "power.csv"
    path.write_text(content)
    options = (
        {"start_ns": START_NS}
        if "--start" in promise
        else {"utc_offset": "Z"}
        if "--utc-offset" in promise
        else {}
    )
    log = read_power_log(path, **options)
    assert f"`{log.power.energy_j():.0f} J`" in promise
    assert all(f"`{gap.channel}: {gap.reason}`" in promise for gap in log.gaps)
    assert ("gap" in promise) == bool(log.gaps)
