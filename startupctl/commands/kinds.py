"""`startupctl kinds`: list what can be checked."""

from __future__ import annotations

import sys


def command() -> None:
    """List the kinds of components and their keys."""
    from startupctl.check import secret_keys
    from startupctl.discover import find_kind, kind_names

    for name in kind_names():
        kind = find_kind(name)
        secret = secret_keys(kind)
        keys = [
            f"{key}{'*' if key in secret else ''}{'!' if info.is_required() else ''}"
            for key, info in ((info.alias or name, info) for name, info in kind.model_fields.items())
        ]
        first = (kind.__doc__ or "").strip().partition("\n")[0]
        sys.stdout.write(f"{name}: {first}\n  {' '.join(keys)}\n")
    sys.stdout.write("! required   * may be given as KEY_file, a file that holds the value\n")
