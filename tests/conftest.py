"""What every test stands on: warnings are errors, the loop is asyncio's, real servers come from `servers`."""

from __future__ import annotations

import signal

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from support import Services, make_run

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # a loaded machine is slow: laws are tested, not times

pytest_plugins = ["manifests", "servers.fixtures"]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started in the background by a shell: what we start would ignore Ctrl-C as well
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend():
    return "asyncio"


NOT_BLOCKING = ("os.getcwd", "os.path.abspath")  # the kernel knows the working directory's name by itself


@pytest.fixture(autouse=True)
def blocking_calls_fail():
    """Fail a test in which the package makes a blocking call on the thread of a running event loop.

    Found are sleeps, files, sockets, SQLite and locks. The servers of the tests and the demo are started
    by blocking code on purpose, so what `startupctl.embedded` calls is not looked at.
    """
    with blockbuster_ctx("startupctl", excluded_modules=["startupctl.embedded"]) as found:
        for name in NOT_BLOCKING:
            found.functions[name].deactivate()
        yield


@pytest.fixture
def services():
    """What a kind asked of the engine in this test: warnings, notes, progress, locks."""
    return Services()


@pytest.fixture
def run(services, tmp_path):
    """A run of 5 seconds in check mode, in a folder of this test; `make_run` makes others."""
    return make_run(services=services, folder=tmp_path)
