"""A directory of Atlas as it would write it."""

from __future__ import annotations

import hashlib
from base64 import b64encode


def sums(files):
    """Return the hash of each file as Atlas has it: of all files up to it."""
    total = hashlib.sha256()
    found = {}
    for name in sorted(files):
        total.update(name.encode() + files[name].encode())
        found[name] = b64encode(total.digest()).decode()
    return found


def with_sum(files):
    """Return the files with the `atlas.sum` that Atlas would write for them."""
    known = sums(files)
    whole = hashlib.sha256("".join(name + known[name] for name in sorted(files)).encode()).digest()
    lines = [f"h1:{b64encode(whole).decode()}", *(f"{name} h1:{known[name]}" for name in sorted(files))]
    return {**files, "atlas.sum": "\n".join(lines) + "\n"}
