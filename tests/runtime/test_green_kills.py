"""Killed at random moments: the job is done once, and nothing is left frozen (200 seeds with LOWTIDE_TEST_FULL=1)."""

import os
import sys

import pytest
from green_kills import PAUSES, trial

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="freezing reads /proc")
N = 200 if os.environ.get("LOWTIDE_TEST_FULL") else 20


@pytest.mark.slow
@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("seed", range(3000, 3000 + N))
def test_killed_at_a_random_moment_the_job_is_done_once_and_nothing_stays_frozen(seed, pause, tmp_path):
    result = trial(seed, tmp_path, pause)
    assert result["ok"], result
    assert not result["left_frozen"], result
