"""The RDS codes of `bootstrap`: what is missing, and what stands in the way of making it."""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

F, P = FailureClass.FIXABLE, FailureClass.PERMANENT

PENDING = Code(
    "RDS019",
    "bootstrap-pending",
    F,
    "{pending} of {total} entries of `bootstrap` are pending: {name}",
    "Streams, groups, functions or keys that the service needs are not there yet, or not any more.",
    "`startupctl init-db` makes them",
)
WRONG_TYPE = Code(
    "RDS020",
    "wrong-type",
    P,
    "the key `{key}` of {endpoint} is a {found}, and should be a {wanted}",
    "Somebody else uses this name for something of another type; nothing of theirs is ever overwritten.",
    "choose another name, or move what is under `{key}` away",
)
BAD_LIBRARY = Code(
    "RDS021",
    "bad-library",
    P,
    "{what}",
    "A library of functions cannot be read, or the server does not take its code.",
    "correct `{file}`; its first line must be like `#!lua name=limits`",
)
NO_FUNCTIONS = Code(
    "RDS022",
    "no-functions",
    P,
    "{endpoint} knows no functions, and `bootstrap.functions` wants the library `{name}`",
    "Functions came with Redis 7.0; older servers, and some that only speak its protocol, do not have them.",
    "use Redis 7.0 or newer, or any Valkey; or take `functions` out of `bootstrap`",
)

BOOTSTRAP_CODES: tuple[Code, ...] = codes_in(globals())
