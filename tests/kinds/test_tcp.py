"""The kind `tcp` against real listeners."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from pydantic import ValidationError

from servers import peers
from startupctl.addresses import Endpoint
from startupctl.diagnose import diagnose
from startupctl.failures import ConnectionBroken
from startupctl.kinds.tcp import Tcp
from support import make_run


def tcp(port):
    return Tcp(address=Endpoint("127.0.0.1", port))


async def code_of(check, run):
    """Return what the failure of a check is diagnosed as, None when it passes."""
    try:
        await check.check(run)
    except ConnectionBroken as error:
        return diagnose(error).code.code
    return None


@pytest.mark.parametrize("handler", [peers.hang, peers.garbage])
@pytest.mark.anyio
async def test_a_peer_that_keeps_the_connection_passes(handler, peer, run):
    port = peer(handler)
    assert await tcp(port).check(run) == {"peer": f"127.0.0.1:{port}"}


@pytest.mark.parametrize("handler", [peers.close_now, peers.reset_now])
@pytest.mark.anyio
async def test_a_peer_that_closes_at_once_is_a_balancer_without_a_backend(handler, peer, run):
    assert await code_of(tcp(peer(handler)), run) == "LB004"


@pytest.mark.anyio
async def test_haproxy_passes_with_a_backend_and_fails_without_one(haproxy, valkey, free_port, run):
    config = (
        "defaults\n mode tcp\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
        "listen l\n bind 127.0.0.1:{port}\n server s 127.0.0.1:%d check inter 50ms fall 1 rise 1\n"
    )
    assert "peer" in await tcp(haproxy(config % valkey.port).port).check(run)
    balancer = haproxy(config % free_port())
    seen = None
    while seen is None and run.left():  # until HAProxy has noticed
        await asyncio.sleep(0.05)
        seen = await code_of(tcp(balancer.port), run)
    assert seen == "LB004"


@pytest.mark.anyio
async def test_a_port_nobody_listens_on_is_refused(free_port, run):
    assert await code_of(tcp(free_port()), run) == "NET001"


@pytest.mark.anyio
async def test_dropped_packets_are_a_connect_timeout(full_backlog):
    assert await code_of(tcp(full_backlog()), make_run(0.5)) == "NET002"


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_told(run):
    assert await code_of(Tcp(address="startupctl-test.invalid:80"), run) in ("NET005", "NET006")


@pytest.mark.anyio
async def test_a_socket_file_is_found_relative_to_the_manifest(run, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "app.sock"))
        server.listen()
        check = Tcp(address="unix:app.sock")
        assert check.target == "unix:app.sock"
        assert await check.check(run) == {"peer": "unix:app.sock"}


@pytest.mark.anyio
async def test_a_path_that_no_socket_can_have_is_told(run):
    assert await code_of(Tcp(address=f"unix:/{'x' * 120}"), run) == "CFG002"


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
