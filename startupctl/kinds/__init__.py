"""What can be checked: one file, one kind, found by its name."""
