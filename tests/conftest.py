"""What every test stands on: warnings are errors, the loop is asyncio's, real servers come from `servers`."""

from __future__ import annotations

import pytest

from support import Services, make_run

pytest_plugins = ["manifests", "servers.fixtures"]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def services():
    """What a kind asked of the engine in this test: warnings, notes, progress, locks."""
    return Services()


@pytest.fixture
def run(services, tmp_path):
    """A run of 5 seconds in check mode, in a folder of this test; `make_run` makes others."""
    return make_run(services=services, folder=tmp_path)
