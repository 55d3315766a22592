"""Sessions on the real drivers, for everything that changes something."""
