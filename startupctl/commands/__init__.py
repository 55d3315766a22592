"""What can be typed: one file, one command."""
