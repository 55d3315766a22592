"""The diagnosis codes of migrations and their lock; kinds that migrate list them among their own."""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

C, F, N, P, T = (
    FailureClass.CONTENTION,
    FailureClass.FIXABLE,
    FailureClass.NOTE,
    FailureClass.PERMANENT,
    FailureClass.TRANSIENT,
)

PENDING = Code(
    "MIG001",
    "pending",
    F,
    "{pending} of {total} migrations in `{dir}` are pending, the first is `{first}`",
    "The files are newer than the database.",
    "`startupctl init-db` applies {pending} migrations",
)
FAILED = Code(
    "MIG002",
    "migration-failed",
    P,
    "{place}: {said}",
    "A statement of a migration failed ({number} of {statements}). Applied before it in this run: {before}. {state}",
    "correct `{file}` and run `startupctl init-db` again; `startupctl migrate status` shows what is applied",
)
HALF_APPLIED = Code(
    "MIG003",
    "half-applied",
    P,
    "`{file}` was begun by {host} at {since} and never finished: {known}",
    "It does not run in one transaction, and its process or its connection ended in the middle.",
    "compare the database with the file; then either `{undo}` to run it again, or `{accept}` to take it as applied",
)
AHEAD = Code(
    "MIG004",
    "database-ahead",
    N,
    "{count} applied migrations have no file in `{dir}`, the last is `{last}`",
    "A newer build migrated this database, or files were removed.",
    "nothing to do when an older build was deployed on purpose",
)
DRIFT = Code(
    "MIG005",
    "drift",
    P,
    "`{file}` differs from what was applied at {since}",
    "An applied migration was edited, or another set of migrations with a file of this name uses the same table.",
    "restore the file and put the change into a new migration, or `startupctl migrate repair` to take it as it is; two sets need a `migrations.table` each",
)
OUT_OF_ORDER = Code(
    "MIG006",
    "out-of-order",
    P,
    "`{file}` is pending and older than the applied `{newer}`",
    "It was added with a number below one that has been applied, often by merging a branch.",
    "give it a number above `{newer}`, or set `migrations.out_of_order: apply`",
)
NAME_CONFLICT = Code(
    "MIG007",
    "name-conflict",
    P,
    "version {version} is `{file}` here and was applied as `{applied}`",
    "The file was renamed, or two sets of migrations share one table.",
    "rename the file to `{applied}`, take the new name by `startupctl migrate repair`, or give each set a `migrations.table` of its own",
)
BAD_FILE = Code(
    "MIG008",
    "bad-migration-file",
    P,
    "{problems}",
    "A migration cannot be read, so none is applied.",
    "{cure}",
)
FOREIGN_DIRTY = Code(
    "MIG009",
    "foreign-dirty",
    P,
    "{tool} left `{file}` (version {version}) half-applied: its table {table} says {state}",
    "A migration of {tool} failed, or its process ended in the middle. What of it is in the database is not known.",
    "{cure}; then run `startupctl init-db` again",
)
CANNOT_ADOPT = Code(
    "MIG010",
    "cannot-adopt",
    P,
    "{what}",
    "What is applied cannot be told from the tables of this database, so nothing was migrated.",
    "{cure}",
)
REWORDED = Code(
    "MIG011",
    "reworded",
    N,
    "{count} applied migrations were edited since, in comments or layout only; the first is `{file}`",
    "What the server saw of them is unchanged.",
    "nothing to do",
)
UNKNOWN_VERSION = Code(
    "MIG020",
    "unknown-version",
    P,
    "no migration in `{dir}` has the version or the name `{version}`",
    "Versions are given as they stand in the names of the files.",
    "`startupctl migrate status` lists them",
)
CANNOT_REVERT = Code(
    "MIG021",
    "cannot-revert",
    P,
    "`{file}` cannot be taken back: {why}",
    "A migration is taken back by its own way down, the newest first; of those that are asked for all, or none.",
    "{cure}",
)
CANNOT_REPAIR = Code(
    "MIG022",
    "cannot-repair",
    P,
    "migration `{version}` was not repaired: {why}",
    "Only what does not fit is repaired, and only in a way that fits it.",
    "`startupctl migrate repair` lists what can be repaired, and how",
)
LOCK_HELD = Code(
    "LCK001",
    "lock-held",
    C,
    "the migration lock is held by {holder}, without a sign of life for {seconds:.0f} s",
    "Another process migrates this database and does not go on.",
    "look at {holder}; ending its process or its database session frees the lock, `startupctl migrate unlock` says how",
)
LOCK_LOST = Code(
    "LCK002",
    "lock-lost",
    T,
    "the migration lock was lost: {said}",
    "The server was restarted, something on the way closed the connection, or a lease ended before it was prolonged.",
    "nothing was run after it; `startupctl init-db` goes on where it stopped",
)
LOCK_UNSAFE = Code(
    "LCK003",
    "lock-unsafe",
    P,
    "{what}",
    "A migration must have the lock for itself, and often the session it runs in; nothing of it was run.",
    "{cure}",
)

MIGRATION_CODES: tuple[Code, ...] = codes_in(globals())
