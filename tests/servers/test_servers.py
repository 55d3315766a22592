"""The peers and the distribution's servers behave as the tests that use them expect."""

from __future__ import annotations

import socket

import psycopg
import pytest

from servers import peers


def connect(port, timeout=5):
    return socket.create_connection(("127.0.0.1", port), timeout)


def test_a_free_port_refuses(free_port):
    with pytest.raises(ConnectionRefusedError):
        connect(free_port())


def test_a_full_backlog_never_answers(full_backlog):
    with pytest.raises(TimeoutError):
        connect(full_backlog(), timeout=0.3)


def test_a_hanging_peer_accepts_and_says_nothing(peer):
    with connect(peer(peers.hang), timeout=0.3) as client, pytest.raises(TimeoutError):
        client.recv(1)


@pytest.mark.parametrize(("handler", "error"), [(peers.reset_now, ConnectionResetError), (peers.close_now, None)])
def test_a_peer_ends_before_the_first_byte(peer, handler, error):
    with connect(peer(handler)) as client:
        if error:
            with pytest.raises(error):
                client.recv(1)
        else:
            assert client.recv(1) == b""


def test_a_peer_answers_and_closes(peer):
    with connect(peer(peers.answer(b"+PONG\r\n"))) as client:
        client.sendall(b"PING\r\n")
        assert client.makefile("rb").read() == b"+PONG\r\n"


def test_a_peer_serves_many_and_is_gone_at_the_end(free_port):
    with peers.listening(peers.garbage) as port:
        for _ in range(3):
            with connect(port) as client:
                assert client.recv(4) == b"\x00\xffga"
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_pgbouncer_hands_a_backend_to_the_next_transaction(postgres, fresh_database, pgbouncer):
    url = pgbouncer(postgres, pool_size=1).url(fresh_database)
    with psycopg.connect(url, autocommit=True) as one, psycopg.connect(url, autocommit=True) as two:
        pids = [session.execute("SELECT pg_backend_pid()").fetchone()[0] for session in (one, two)]
    assert pids[0] == pids[1]


def test_haproxy_without_a_backend_answers_503(haproxy):
    balancer = haproxy(
        "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
        "frontend shop\n bind 127.0.0.1:{port}\n default_backend none\nbackend none\n"
    )
    with connect(balancer.port) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(64).split()[1] == b"503"


def test_debians_redis_speaks_tls(redis_server):
    assert redis_server(tls="good").cli("PING") is True
