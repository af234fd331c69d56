"""What job scripts say to sbatch and to lowtide."""

from __future__ import annotations

import pytest

from lowtide.errors import InputError, QuantityError
from lowtide.executors.job_scripts import (
    directives,
    has_word,
    option_value,
    parse_time_limit_s,
    sbatch_options,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400.0),  # minutes
        ("1:30", 90.0),
        ("2:00:05", 7205.0),
        ("1-0", 86_400.0),
        ("1-06:30", 109_800.0),
        ("2-00:00:01", 172_801.0),
        ("UNLIMITED", None),
        ("0", None),
    ],
)
def test_time_limits_are_read_as_slurm_does(text: str, seconds: float | None) -> None:
    assert parse_time_limit_s(text) == seconds


@pytest.mark.parametrize("text", ["1h", "1:2:3:4", "x-1", "1-", ""])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="as a time limit of Slurm; write it like 1-06:30"):
        parse_time_limit_s(text)


def test_only_lines_above_the_first_command_count() -> None:
    text = "#!/bin/bash\n#SBATCH --time=60 --job-name='my job'\n\n# words\n  #LOWTIDE --no\n"
    text += (
        "#LOWTIDE --within 48h\n#LOWTIDEX y\n#LOWTIDE --site best # any\npython train.py\n#LOWTIDE --late\n"
    )
    assert directives(text) == ["--within", "48h", "--site", "best"]
    assert sbatch_options(text) == ["--time=60", "--job-name=my job"]


def test_quotes_that_do_not_match_name_the_line() -> None:
    with pytest.raises(InputError, match=r"line 2: .* cannot be read"):
        directives("#!/bin/sh\n#LOWTIDE --zone 'DE\n")


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--time=5"], "5"),
        (["--time", "5"], "5"),
        (["-t", "5"], "5"),
        (["-t5"], "5"),
        (["-t5", "--time=7"], "7"),  # the last one counts, as with sbatch
        (["--time-min=5"], None),
        (["--test-only"], None),
        ([], None),
    ],
)
def test_value_of_an_option_is_found_in_every_form(words: list[str], value: str | None) -> None:
    assert option_value(words, "--time", "-t") == value


def test_option_with_or_without_a_value_is_seen() -> None:
    assert has_word(["--wait"], "--wait", "-W")
    assert has_word(["-W"], "--wait", "-W")
    assert has_word(["--begin=now"], "--begin", "-b")
    assert not has_word(["--wait-all-nodes=1"], "--wait", "-W")
