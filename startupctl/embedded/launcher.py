"""Becomes another program that ends with its parent, under another account where one is given.

Run by its path, apart from any package: `python -I -S launcher.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT…]`.
SIGNAL 0 leaves the program alone when its parent ends; UID -1 keeps the account.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(words: list[str]) -> None:
    """Change the account, then tie the life of this process to its parent, then exec."""
    parent, signal, uid, gid = map(int, words[:4])
    libc = ctypes.CDLL(None)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if signal:  # after the change of account, which clears it: prctl(2)
        libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent ended before its server began")
    os.execv(words[4], words[4:])  # noqa: S606  (becoming the server is the purpose)


if __name__ == "__main__":
    main(sys.argv[1:])
