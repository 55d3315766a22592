"""`startupctl schema`: print the JSON Schema of the manifest, for editors."""

from __future__ import annotations

import sys


def command() -> None:
    """Print the JSON Schema of the manifest."""
    import json

    from startupctl.manifest import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
