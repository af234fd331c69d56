"""A sensor of your own: a smart plug that shows the power of the machine on its web page.

Copy this file into your package, change what it asks, and name the class in your pyproject.toml:

    [project.entry-points."lowtide.sensors"]
    plug = "my_package.plug:PlugSensor"

Then `lowtide run --sensors auto,plug ...` has the whole node measured: what the plug shows beyond processor, memory
and GPUs is the rest of the node. A plug answers late and sometimes not at all, so it is asked by a thread of its own
and a reading takes its last answer.
"""

import json
import threading
import time
from urllib.request import urlopen

from lowtide.doors import Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_servers import FakeServer

PERIOD_S = 2.0
TOO_OLD_S = 30.0


class PlugSensor:
    """The power at a plug that answers `{"apower": 412.5}`."""

    name = "plug"

    def __init__(self, url: str = "http://192.168.1.50/rpc/Switch.GetStatus?id=0") -> None:
        self._url = url
        try:
            self._last = (self._ask(), time.monotonic())
        except (OSError, ValueError) as error:
            raise SensorError(
                f"the plug at {url} does not say its power ({error}); is it on this network?"
            ) from error
        self._ended = threading.Event()
        threading.Thread(target=self._keep_asking, daemon=True).start()
        self.channels = (
            Channel(
                name="plug.node",
                sensor=self.name,
                component="node",  # the whole machine, so it stands for the node and is never added to its parts
                part="node",
                quantity="power",
                kind="gauge",
                boundary="node",
                device="plug",
                low_fraction=0.98,  # from the plug's data sheet: +-2 %
                high_fraction=1.02,
                update_s=PERIOD_S,
                method="smart plug",
            ),
        )

    def _ask(self) -> float:
        with urlopen(self._url, timeout=5.0) as answer:
            power_w = json.load(answer).get("apower")
        if not isinstance(power_w, int | float) or power_w < 0:
            raise ValueError(f"apower is {power_w!r}")
        return float(power_w)

    def _keep_asking(self) -> None:
        while not self._ended.wait(PERIOD_S):
            try:
                self._last = (self._ask(), time.monotonic())
            except (OSError, ValueError):
                continue  # the answer grows old, which a reading sees

    def read(self) -> list[Outcome]:
        """Return the last watts, or a gap when they are too old."""
        power_w, at_s = self._last
        age_s = time.monotonic() - at_s
        return [power_w if age_s < TOO_OLD_S else Retry(f"the plug has not answered for {age_s:.0f} s")]

    def close(self) -> None:
        """Stop asking."""
        self._ended.set()


if __name__ == "__main__":
    plug = FakeServer(lambda path, headers: (200, "application/json", b'{"apower": 412.5}'))
    check_sensor(lambda: PlugSensor(plug.url))
    sensor = PlugSensor(plug.url)
    print("the sensor keeps its promises")
    print(sensor.channels[0].method, "says", sensor.read()[0], "W of the", sensor.channels[0].component)
    sensor.close()
    plug.close()
    try:
        PlugSensor(plug.url)
    except SensorError:
        print("a plug that is gone is an error that says what to look at")
