"""How a kind that fails is diagnosed, as the engine does it; and waiting for what a server does."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from startupctl.check import Unhealthy
from startupctl.diagnose import diagnose

UNFILLED = re.compile(r"<\w+>")


async def diagnosis_of(check, run):
    """Return the diagnosis of a check that fails; its words must have all their facts and no secret."""
    try:
        facts = await check.check(run)
    except Unhealthy as unhealthy:
        found = unhealthy.diagnosis
    except Exception as error:
        found = check.explain(error) or diagnose(error)
        if found is None:
            raise
    else:
        pytest.fail(f"it passed: {facts}")
    ours = f"{replace(found, said='').summary} {found.cause} {found.hint}"
    assert not UNFILLED.search(ours)
    assert not [secret for secret in check.secrets() if len(secret) > 3 and secret in ours]
    return found


async def code_of(check, run):
    return (await diagnosis_of(check, run)).code.code


def eventually(condition, seconds=10):
    """Return once the condition holds; fails when it does not come about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
