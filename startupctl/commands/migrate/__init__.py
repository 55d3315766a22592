"""`startupctl migrate`: the commands on the migrations of one database component."""

from __future__ import annotations


def command() -> None:
    """See and change where the migrations of one database component stand."""
