"""The entry point of the command line: the first thing it does is to be stoppable."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and leave with its exit code.

    A process with id 1 ignores SIGTERM unless it has a handler, so one is set before anything is imported.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        from startupctl.cli.app import run_cli

        code = run_cli(sys.argv[1:])
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


if __name__ == "__main__":
    main()
