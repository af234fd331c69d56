"""Ways to forecast, one file each: a ``name``, and ``predict`` for many origins at once.

:func:`lowtide.forecasting.issue.issue` makes a forecast of any of them.
"""
