"""The grid: carbon intensity from files and from providers."""
