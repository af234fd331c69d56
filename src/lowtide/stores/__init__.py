"""Where runs are kept: a journal per writer while recording, one folder a run afterwards."""
