"""Reports: from a run's view to text, one file a format. No I/O."""
