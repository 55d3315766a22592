"""What the error words of Redis and Valkey mean: the RDS codes, and which answer is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.diagnosis import Code, FailureClass, codes_in

if TYPE_CHECKING:
    from startupctl.wire.resp import RedisError

C, N, P, T, W = (
    FailureClass.CONTENTION,
    FailureClass.NOTE,
    FailureClass.PERMANENT,
    FailureClass.TRANSIENT,
    FailureClass.WARMING,
)

LOADING = Code(
    "RDS001",
    "loading",
    W,
    "{endpoint} is loading its data set ({progress})",
    "The server reads its snapshot or append-only file into memory and serves nothing meanwhile.",
    "wait; if it loads longer than the component may take, raise `timeout`",
)
PASSWORD_REQUIRED = Code(
    "RDS002",
    "password-required",
    P,
    "{endpoint} wants a password and none was given",
    "The server has `requirepass` or an access list without a passwordless default user.",
    "put the password into the URL (`redis://:PASSWORD@host`) or into `password`",
)
AUTHENTICATION_FAILED = Code(
    "RDS003",
    "authentication-failed",
    P,
    "{endpoint} refuses the password of user `{user}`",
    "The password is wrong, or the user is unknown or disabled; the server does not tell which.",
    "compare the password of `{user}` with `ACL LIST` or `requirepass` on the server",
)
READ_ONLY_REPLICA = Code(
    "RDS004",
    "read-only-replica",
    P,
    "{endpoint} is a {role} (link to its master: {link}), not the master",
    "Replicas refuse writes; after a failover the address may still lead to the old master.",
    "connect to the master ({master})",
)
MASTER_DOWN = Code(
    "RDS005",
    "master-down",
    W,
    "{endpoint} is a replica that lost its master ({master}) and serves no stale data",
    "The link to the master is down and `replica-serve-stale-data` is `no`.",
    "look at the master ({master}), or connect to it",
)
OUT_OF_MEMORY = Code(
    "RDS006",
    "out-of-memory",
    T,
    "{endpoint} refuses writes: {used} of {limit} bytes are used and its policy is `{policy}`",
    "`maxmemory` is reached and the eviction policy frees nothing.",
    "raise `maxmemory`, set an eviction policy, or delete keys",
)
MAX_CLIENTS = Code(
    "RDS007",
    "max-clients",
    C,
    "{endpoint} takes no more connections",
    "`maxclients` connections are open.",
    "raise `maxclients` on the server or lower the pools of its clients; `CLIENT LIST` shows them",
)
PROTECTED_MODE = Code(
    "RDS008",
    "protected-mode",
    P,
    "{endpoint} runs in protected mode and takes connections from its own host only",
    "No password is set and `bind` is not restricted, so the server refuses others.",
    "set a password on the server, or `protected-mode no` where the network is trusted",
)
CLUSTER_DOWN = Code(
    "RDS009",
    "cluster-down",
    W,
    "the cluster of {endpoint} is not ready ({slots} of 16384 slots served)",
    "Slots are without a node, or are being moved.",
    "look at `CLUSTER INFO` and `CLUSTER NODES` on {endpoint}",
)
WRONG_NODE = Code(
    "RDS010",
    "wrong-node",
    P,
    "{endpoint} is one node of a cluster and sends the client to another",
    "The key belongs to a slot of another node; a plain connection does not follow.",
    "use a client that knows clusters, or connect to a server that is no cluster",
)
PERMISSION_DENIED = Code(
    "RDS011",
    "permission-denied",
    P,
    "user `{user}` of {endpoint} may not run `{command}`",
    "The access list of the user does not allow the command or the key.",
    "run `ACL SETUSER {user} +{command}` on the server",
)
BUSY = Code(
    "RDS012",
    "busy",
    W,
    "{endpoint} runs a script and answers nothing else",
    "A script or function has been running longer than `busy-reply-threshold`.",
    "wait, or end it with `SCRIPT KILL` or `FUNCTION KILL`",
)
CANNOT_PERSIST = Code(
    "RDS013",
    "cannot-persist",
    P,
    "{endpoint} refuses commands because it cannot save to disk",
    "The last snapshot or append failed and `stop-writes-on-bgsave-error` is `yes`.",
    "look at the disk, the folder (`CONFIG GET dir`) and the log of the server",
)
NOT_REDIS = Code(
    "RDS014",
    "not-redis",
    P,
    "{endpoint} does not speak the Redis protocol, its answer looks like {looks_like}",
    "Something else listens on this port.",
    "check host and port; Redis listens on 6379 unless told otherwise",
)
BAD_DATABASE = Code(
    "RDS015",
    "bad-database",
    P,
    "{endpoint} has no database {db}",
    "The index is not below `databases` of the server; a cluster usually has database 0 only.",
    "use a database below `databases` (`CONFIG GET databases`), 0 in a cluster",
)
EXPECTATION_FAILED = Code(
    "RDS016",
    "expectation-failed",
    P,
    "{endpoint}: expected {name} {expected}, found {found}",
    "The server works and is not the one that `expect` describes.",
    "correct `expect.{name}` or connect to another server",
)
SERVER_ERROR = Code(
    "RDS017",
    "server-error",
    T,
    "{endpoint} answered `{command}` with an error",
    "The server refused a command for a reason of its own.",
    "look at the server's log",
)
PASSWORD_UNUSED = Code(
    "RDS018",
    "password-unused",
    N,
    "a password is given and {endpoint} has none configured",
    "Anyone may connect to the server; the password protects nothing.",
    "set the password on the server, or remove it here",
)

CODES: tuple[Code, ...] = codes_in(globals())

BY_WORD: dict[str, Code] = {
    "LOADING": LOADING,
    "NOAUTH": PASSWORD_REQUIRED,
    "WRONGPASS": AUTHENTICATION_FAILED,
    "READONLY": READ_ONLY_REPLICA,
    "MASTERDOWN": MASTER_DOWN,
    "OOM": OUT_OF_MEMORY,
    "DENIED": PROTECTED_MODE,
    "CLUSTERDOWN": CLUSTER_DOWN,
    "TRYAGAIN": CLUSTER_DOWN,
    "MOVED": WRONG_NODE,
    "ASK": WRONG_NODE,
    "NOPERM": PERMISSION_DENIED,
    "BUSY": BUSY,
    "MISCONF": CANNOT_PERSIST,
}
BY_COMMAND: dict[str, Code] = {"AUTH": AUTHENTICATION_FAILED, "SELECT": BAD_DATABASE}


def code_of(error: RedisError) -> Code:
    """Return the code of an error answer: by its word, a bare `ERR` by its text or by what was asked."""
    if error.word in BY_WORD:
        return BY_WORD[error.word]
    if error.word == "ERR" and error.text.startswith("max number of clients"):
        return MAX_CLIENTS
    return BY_COMMAND.get(error.command, SERVER_ERROR)


def password_unused(error: RedisError) -> bool:
    """Whether a password was refused because the server has none: the texts since 6.0 and before."""
    texts = ("AUTH <password> called without any password configured", "Client sent AUTH, but no password is set")
    return error.word == "ERR" and error.text.startswith(texts)
