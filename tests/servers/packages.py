"""Installs the distribution's servers that tests use and that are missing; never fails: without them tests are skipped."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "postgresql": "/usr/lib/postgresql/*/bin/postgres",
    "redis-server": "/usr/bin/redis-server",
    "pgbouncer": "/usr/sbin/pgbouncer",
    "haproxy": "/usr/sbin/haproxy",
    "nftables": "/usr/sbin/nft",
    "iproute2": "/usr/sbin/ip",
}
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by packages before they start a service


def main():
    missing = [package for package, program in PROGRAMS.items() if not list(Path("/").glob(program.lstrip("/")))]
    if missing and not installable():
        print(
            f"not installed, tests that need them are skipped: {' '.join(missing)} (apt-get as root would install them)"
        )
    elif missing and not install(missing):
        print(f"could not be installed, tests that need them are skipped: {' '.join(missing)}")


def installable():
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages):
    print("apt-get install", *packages, flush=True)
    with services_off():
        return apt_get("update", "-qq") and apt_get("install", "-qq", "-y", "--no-install-recommends", *packages)


@contextlib.contextmanager
def services_off():
    """Keep the packages from starting services of the machine: tests start their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def apt_get(*words):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(
        ["apt-get", *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        print((ran.stderr or ran.stdout).strip()[-500:], file=sys.stderr)
    return ran.returncode == 0


if __name__ == "__main__":
    main()
