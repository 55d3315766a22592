"""Peers that are no server: listeners that hang, close, reset, babble or trickle."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

HOST = "127.0.0.1"


@contextlib.contextmanager
def listening(handler, host=HOST, port=0):
    """Accept connections and give each to `handler(connection)` on a thread of its own; yields the port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=64))
        over = threading.Event()

        def serve(connection):
            with contextlib.suppress(OSError):
                handler(connection)

        def accept():
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                stack.callback(connection.close)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        stack.callback(thread.join, 2)
        stack.callback(wake, listener, over)
        yield listener.getsockname()[1]


def wake(listener, over):
    """End a blocked accept."""
    over.set()
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def filled_backlog():
    """Listen with a full accept queue: the kernel drops further SYNs, so a connect is never answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


def hang(connection):
    """Accept and stay mute."""


def close_now(connection):
    """Close before the first byte."""
    connection.close()


def reset_now(connection):
    """Reset before the first byte."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_after_read(connection):
    """Reset once the client has spoken."""
    connection.recv(1)
    reset_now(connection)


def garbage(connection):
    """Send bytes of no protocol."""
    connection.sendall(b"\x00\xffgarbage\r\n" * 20)
    connection.close()


def http_400(connection):
    """Answer as a web server does that was spoken to in another protocol."""
    connection.recv(10)
    answer_and_close(connection, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def trickle(connection):
    """Send one byte per half second: no read ever times out, nothing ever comes of it."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nOk.\n" * 50:
        connection.sendall(bytes([byte]))
        time.sleep(0.5)


def answer(data):
    """Return a handler that reads something, sends `data` and closes."""

    def handler(connection):
        connection.recv(65536)
        answer_and_close(connection, data)

    return handler


def answer_and_close(connection, data):
    """Send, then wait for the client to finish: closing with unread bytes would reset the connection."""
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while connection.recv(65536):
            pass
    connection.close()
