"""`validate` of 10,000 components: seconds, memory, and whether the cost per component stays flat."""

import sys
import tempfile
from pathlib import Path

from measure import PYTHON, STARTUPCTL, medians, peak_memory, verdict

KINDS = (
    "kind: postgres, priority: HIGH, url: 'postgres://app@db{n}:5432/app', timeout: 30s",
    "kind: redis, priority: MEDIUM, url: 'redis://cache{n}:6379/0', tags: [cache]",
    "kind: tcp, priority: LOW, address: 'host{n}:80', attempt_timeout: 5s",
    "kind: http, url: 'http://api{n}:8080/health', max_retries: 5",
)


def write(folder, count):
    lines = ["version: 1", "components:"]
    for n in range(count):
        needs = f", depends_on: [c{n - 1}]" if n % 10 else ""
        lines.append(f"  c{n}: {{{KINDS[n % len(KINDS)].format(n=n)}{needs}}}")
    file = folder / f"{count}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return [*STARTUPCTL, "validate", "-f", str(file)]


with tempfile.TemporaryDirectory(prefix="startupctl-bench-") as name:
    small, large = write(Path(name), 1000), write(Path(name), 10000)
    empty, first, tenfold = medians(3, [PYTHON, "-c", "import typer, pydantic, yaml"], small, large)
    memory = peak_memory(large)
met = verdict("validate of 10,000 components", tenfold, 4, " s")
met &= verdict("its peak memory", memory, 200, " MiB")
met &= verdict("cost per component, 10,000 / 1,000", (tenfold - empty) / 10 / (first - empty), 1.2, " x")
sys.exit(not met)
