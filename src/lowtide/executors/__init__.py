"""How a plan is carried out: freezing processes, asking for checkpoints, talking to schedulers."""
