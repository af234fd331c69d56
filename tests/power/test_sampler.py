"""One failing sensor does not harm the others."""

import math

from lowtide.doors import Broken, Retry, Stopped
from lowtide.model.hardware import Channel
from lowtide.power.sampler import MISSING_COUNT, Sampler
from lowtide.testing.fakes import ReplaySensor


def channel(name: str, kind: str) -> Channel:
    return Channel(name=name, sensor="replay", component="cpu", quantity="energy", kind=kind, method="test")


COUNTER, GAUGE = channel("counter", "counter"), channel("gauge", "gauge")


def rows_of(*rows):
    sampler = Sampler([ReplaySensor([COUNTER, GAUGE], rows)])
    read = []
    for _ in rows:
        data, failures = sampler.read()
        read.append((*sampler.packing.unpack(data), failures))
    return read


def test_outcomes_are_packed_in_the_order_of_the_channels():
    (count, value, failures), *_ = rows_of((7, 1.5))
    assert (count, value, failures) == (7, 1.5, [])


def test_retry_is_missing_once_and_told_once():
    first, second, third = rows_of((Retry("busy"), 1.0), (Retry("busy"), 2.0), (9, 3.0))
    assert first[0] == MISSING_COUNT
    assert first[2] == [("counter", Retry("busy"))]
    assert second[0] == MISSING_COUNT
    assert second[2] == []
    assert third[:2] == (9, 3.0)


def test_broken_channel_stays_missing_while_the_other_goes_on():
    first, second = rows_of((1, Broken("gone")), (2, 5.0))
    assert math.isnan(first[1])
    assert first[2] == [("gauge", Broken("gone"))]
    assert second[0] == 2
    assert math.isnan(second[1])


def test_wrong_kind_or_size_of_number_is_a_failure_not_a_crash():
    (count, value, failures), *_ = rows_of((2**70, "12"))
    assert count == MISSING_COUNT
    assert math.isnan(value)
    assert [name for name, _ in failures] == ["counter", "gauge"]


def test_sensor_that_raises_counts_as_retry():
    class Raises(ReplaySensor):
        def read(self):
            raise RuntimeError("boom")

    sampler = Sampler([Raises([COUNTER], []), ReplaySensor([GAUGE], [(4.0,)])])
    data, failures = sampler.read()
    assert sampler.packing.unpack(data) == (MISSING_COUNT, 4.0)
    assert failures == [("counter", Retry("RuntimeError: boom"))]


def test_replay_that_is_over_is_stopped():
    sampler = Sampler([ReplaySensor([GAUGE], [])])
    assert sampler.read()[1] == [("gauge", Stopped("the replay is over"))]
