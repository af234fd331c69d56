"""A thread that asks: the last answer, its age, and a first question that must succeed."""

from __future__ import annotations

import threading
import time

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors import background
from lowtide.power.sensors.background import Background


def test_first_question_that_fails_is_an_error():
    def ask():
        raise OSError("no such host")

    with pytest.raises(SensorError, match="no such host"):
        Background(ask, period_s=1.0)


def test_answer_is_renewed_and_a_failure_keeps_the_last_one():
    answers = iter([1, 2])
    asked_thrice = threading.Event()

    def ask():
        try:
            return next(answers)
        except StopIteration:
            asked_thrice.set()
            raise OSError("gone") from None

    asking = Background(ask, period_s=0.001)
    assert asked_thrice.wait(5.0)
    assert asking.latest() == 2
    asking.close()


def test_answer_that_is_too_old_is_a_gap_with_its_reason(monkeypatch):
    asking = Background(lambda: 1, period_s=100.0)
    now = time.monotonic()
    monkeypatch.setattr(background.time, "monotonic", lambda: now + 501.0)
    assert asking.latest() == Retry("no answer for 501 s")
    asking.close()
