"""The pages of constants and of the checklist are what the data and the commands say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKLIST = ROOT / "docs" / "reference" / "checklist.md"


def load_tool():
    path = ROOT / "tools" / "make_constants_page.py"
    spec = importlib.util.spec_from_file_location("make_constants_page", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_page_of_constants_is_not_stale():
    assert not load_tool().is_stale(), "run python tools/make_constants_page.py"


def test_every_table_is_on_the_page():
    text = (ROOT / "docs" / "reference" / "constants.md").read_text()
    for path in (ROOT / "src" / "lowtide" / "data").glob("*.csv"):
        assert path.name in text


def test_every_row_of_the_checklist_is_answered():
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", CHECKLIST.read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 41))
    for _, _, answer in rows:
        assert re.search(r"\]\([\w./#-]+\)", answer) or answer.startswith("No: "), answer
