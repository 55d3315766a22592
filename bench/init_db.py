"""`init-db` of the example shop when nothing is left to do, against the imports it cannot do without; its drivers."""

import subprocess
import sys
from pathlib import Path

from measure import IMPORT_FLOOR, PYTHON, STARTUPCTL, imported_drivers, medians, stack, verdict

SHOP = Path(__file__).parents[1] / "examples" / "shop"
COMMAND = [*STARTUPCTL, "init-db"]

with stack() as (_, env):
    subprocess.run(COMMAND, env=env, cwd=SHOP, check=True, stderr=subprocess.DEVNULL)
    ours, floor = medians(15, COMMAND, [PYTHON, "-c", IMPORT_FLOOR], env=env, cwd=SHOP)
    drivers = imported_drivers(COMMAND, env, SHOP)
met = verdict("init-db with nothing to do / its import floor", ours / floor, 1.6, " x")
met &= verdict(f"drivers it imports ({', '.join(drivers) or 'none'})", len(drivers), 0)
sys.exit(not met)
