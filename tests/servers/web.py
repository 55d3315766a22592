"""Web servers and proxies as handlers of `peer`: they record what they were asked."""

from __future__ import annotations

import socket
import ssl
import threading

from servers.peers import answer_and_close


def page(body, status="200 OK", **headers):
    """Return the bytes of an answer; `_` in a header's name stands for `-`."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Web:
    """Answers every request with the same bytes, over TLS when there is a certificate."""

    def __init__(self, data, certificate=None, client_ca=None):
        self.data, self.requests = data, []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)

    def __call__(self, connection):
        if not self.context:
            return self.serve(connection)
        connection.settimeout(5)  # a client that speaks plain text never ends the handshake
        with self.context.wrap_socket(connection, server_side=True) as encrypted:
            return self.serve(encrypted)

    def serve(self, connection):
        request = read_request(connection)
        if request:
            self.requests.append(request)
            answer_and_close(connection, self.data)

    @property
    def line(self):
        """The request line of the only request."""
        (request,) = self.requests
        return request.split("\r\n")[0]

    def header(self, name):
        """Return the values of a header of the last request."""
        lines = self.requests[-1].split("\r\n\r\n")[0].split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines]
        return [value for key, value in pairs if key.lower() == name.lower()]

    @property
    def body(self):
        return self.requests[-1].split("\r\n\r\n", 1)[1]


class Tunnel:
    """A proxy that connects to whatever CONNECT names."""

    def __init__(self):
        self.requests = []

    def __call__(self, connection):
        request = read_request(connection)
        self.requests.append(request)
        host, _, port = request.split()[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 tunnel\r\n\r\n")
            back = threading.Thread(target=copy, args=(onward, connection), daemon=True)
            back.start()
            copy(connection, onward)
            back.join(5)


def copy(source, drain):
    try:
        while data := source.recv(65536):
            drain.sendall(data)
        drain.shutdown(socket.SHUT_WR)
    except OSError:
        return


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return ""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode("latin-1")
