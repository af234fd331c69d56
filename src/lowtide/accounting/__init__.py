"""Accounting: one function for past, simulated and planned energy. No I/O, no clock."""
