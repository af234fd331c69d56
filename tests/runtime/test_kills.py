"""Killing at random moments loses at most a second (the long run is ``make kill200``)."""

import pytest
from kill_trials import trial


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_a_kill_at_a_random_moment_loses_at_most_a_second(seed, tmp_path):
    result = trial(seed, tmp_path)
    assert result["ok"], result
