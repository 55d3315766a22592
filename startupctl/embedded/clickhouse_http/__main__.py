"""`python -m startupctl.embedded.clickhouse_http`: opens the engine, then the port, prints `READY port`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from urllib.parse import unquote

from startupctl.embedded.clickhouse_http.engine import Engine
from startupctl.embedded.clickhouse_http.server import EngineServer


def main() -> None:
    """Serve until a signal ends the process."""
    options = command_line().parse_args()
    server = EngineServer(Engine(options.path), options.users, options.port, with_faults=options.faults)
    if options.tls:
        server.use_tls(*options.tls)
    print("READY", server.server_address[1], flush=True)  # noqa: T201  (who started us reads it)
    server.serve_forever()


def command_line() -> ArgumentParser:
    """Return the reader of the command line; `@FILE` holds one word a line, for passwords are seen by all in `ps`."""
    parser = ArgumentParser(prog="python -m startupctl.embedded.clickhouse_http", fromfile_prefix_chars="@")
    parser.add_argument("--path", type=Path, required=True, help="data directory, made when it is missing")
    parser.add_argument("--users", type=read_users, default={"default": ""}, help="NAME:PASSWORD,…, percent-encoded")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tls", type=Path, nargs=2, metavar=("CERTIFICATE", "KEY"), help="speak HTTPS")
    parser.add_argument("--faults", action="store_true", help="let POST /_fault make queries fail, for tests")
    return parser


def read_users(text: str) -> dict[str, str]:
    """Read `app:pw,default:`."""
    pairs = [word.partition(":") for word in text.split(",")]
    if not all(name and colon for name, colon, _ in pairs):
        raise ArgumentTypeError("not NAME:PASSWORD,NAME:PASSWORD")
    return {unquote(name): unquote(password) for name, _, password in pairs}


if __name__ == "__main__":
    main()
