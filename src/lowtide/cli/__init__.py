"""The command line: each command is a few lines over the runtime, loaded only when it is called."""
