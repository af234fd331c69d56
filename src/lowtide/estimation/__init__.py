"""Estimates: power of what is not measured, and energy of jobs before they run."""
