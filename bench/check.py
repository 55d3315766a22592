"""`check` of three ready servers against the imports it cannot do without, its drivers and its peak memory."""

import sys

from measure import IMPORT_FLOOR, PYTHON, STARTUPCTL, imported_drivers, medians, peak_memory, stack, verdict

COMMAND = [*STARTUPCTL, "check"]

with stack() as (folder, env):
    ours, floor = medians(15, COMMAND, [PYTHON, "-c", IMPORT_FLOOR], env=env, cwd=folder)
    drivers = imported_drivers(COMMAND, env, folder)
    memory = peak_memory(COMMAND, env, folder)
met = verdict("check of three ready servers / its import floor", ours / floor, 1.5, " x")
met &= verdict("drivers imported by check", len(drivers), 0)
met &= verdict("peak memory of check", memory, 60, " MiB")
sys.exit(not met)
