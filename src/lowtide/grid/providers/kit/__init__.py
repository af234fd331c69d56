"""What providers share, yours too: strict reading of replies, and one way from stamped values to an answer.

* :mod:`~lowtide.grid.providers.kit.replies`: JSON, statuses and stamps, each mistake one clear error.
* :mod:`~lowtide.grid.providers.kit.points`: windows, pieces, duplicates, holes, plausible values.
* :mod:`~lowtide.grid.providers.kit.mixing`: generation by fuel to intensity, where reports have gaps.
"""
