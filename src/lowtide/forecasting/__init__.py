"""Intensity that is not known yet: forecasters, their own past errors as quantiles, and scores."""
