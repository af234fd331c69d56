"""Kernels of planning: arrays in, arrays out, for many starts at once."""
