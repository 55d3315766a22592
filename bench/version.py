"""`startupctl --version` against the import of typer alone."""

import sys

from measure import PYTHON, STARTUPCTL, medians, verdict

ours, floor = medians(15, [*STARTUPCTL, "--version"], [PYTHON, "-c", "import typer"])
sys.exit(not verdict("startupctl --version / import typer", ours / floor, 1.6, " x"))
