"""The command line around the commands: shared flags, signals, listeners, outputs, exit codes."""
