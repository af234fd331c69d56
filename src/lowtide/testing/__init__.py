"""What tests of lowtide need, and what tests of code that uses lowtide need: fakes, builders, checks.

* :mod:`lowtide.testing.fakes`: a clock moved by hand, sensors that replay, NVML without a GPU, a powercap tree.
* :mod:`lowtide.testing.builders`: records and headers with sensible defaults.
* :mod:`lowtide.testing.checks`: ``check_sensor`` says whether an object keeps the promises of its door.
"""
