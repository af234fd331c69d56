"""Planning: where, when and how hard to run. Pure functions of series."""
