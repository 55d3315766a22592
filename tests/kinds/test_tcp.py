"""The kind `tcp` against real listeners."""

from __future__ import annotations

import socket
import time

import pytest
from pydantic import ValidationError

from servers import peers
from startupctl.diagnose import diagnose
from startupctl.failures import ConnectionBroken
from startupctl.fields import Endpoint
from startupctl.kinds.tcp import Tcp
from support import make_run


def tcp(port):
    return Tcp(address=Endpoint("127.0.0.1", port))


@pytest.mark.parametrize("handler", [peers.hang, peers.garbage])
@pytest.mark.anyio
async def test_a_peer_that_keeps_the_connection_passes(handler, peer, run):
    port = peer(handler)
    assert await tcp(port).check(run) == {"peer": f"127.0.0.1:{port}"}


@pytest.mark.parametrize("handler", [peers.close_now, peers.reset_now])
@pytest.mark.anyio
async def test_a_peer_that_closes_at_once_is_a_balancer_without_a_backend(handler, peer, run):
    with pytest.raises(ConnectionBroken) as caught:
        await tcp(peer(handler)).check(run)
    assert diagnose(caught.value).code.code == "LB004"


@pytest.mark.anyio
async def test_a_port_nobody_listens_on_is_refused(free_port, run):
    with pytest.raises(ConnectionBroken) as caught:
        await tcp(free_port()).check(run)
    assert diagnose(caught.value).code.code == "NET001"


@pytest.mark.anyio
async def test_dropped_packets_are_a_connect_timeout(full_backlog):
    with pytest.raises(ConnectionBroken) as caught:
        await tcp(full_backlog()).check(make_run(0.5))
    assert diagnose(caught.value).code.code == "NET002"


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_told(run):
    with pytest.raises(ConnectionBroken) as caught:
        await Tcp(address="startupctl-test.invalid:80").check(run)
    assert diagnose(caught.value).code.code in ("NET005", "NET006")


@pytest.mark.anyio
async def test_a_socket_file_is_found_relative_to_the_manifest(run, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "app.sock"))
        server.listen()
        check = Tcp(address="unix:app.sock")
        assert check.target == "unix:app.sock"
        assert await check.check(run) == {"peer": "unix:app.sock"}


@pytest.mark.anyio
async def test_the_look_at_an_open_port_is_short_even_when_the_peer_is_mute(peer):
    started = time.monotonic()
    await tcp(peer(peers.hang)).check(make_run(30))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("address", ["db", "db:", ":5432", "db:0", "db:65536", "::1:80", ""])
@pytest.mark.anyio
async def test_what_is_no_address_is_refused_at_load(address):
    with pytest.raises(ValidationError):
        Tcp(address=address)
