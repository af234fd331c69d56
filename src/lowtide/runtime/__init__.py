"""The wall-clock side: config, the recorder, the supervisor of a job, and the bill at the end."""
