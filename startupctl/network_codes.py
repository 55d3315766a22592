"""The diagnosis codes of the network: names, connecting, TLS, and conversations that end too early."""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

W, R, S, T, P = (
    FailureClass.WAITING,
    FailureClass.RESOLVING,
    FailureClass.SILENT,
    FailureClass.TRANSIENT,
    FailureClass.PERMANENT,
)

REFUSED = Code(
    "NET001",
    "refused",
    W,
    "nothing listens on {endpoint} ({signal})",
    "The port is closed, or the socket file is not there: the server is not started yet, listens elsewhere, or a firewall answers with a reset.",
    "start the server or check host and port; a firewall that rejects with a reset looks the same",
)
CONNECT_TIMEOUT = Code(
    "NET002",
    "connect-timeout",
    S,
    "no answer from {endpoint} within {seconds:g} s",
    "Packets to the address are dropped, or the accept queue of the server is full.",
    "check the firewall, the security group and the address; on the same host, look for a full accept queue (`ss -ltn`)",
)
READ_TIMEOUT = Code(
    "NET003",
    "read-timeout",
    S,
    "{endpoint} accepts connections but does not speak (waited in phase {phase})",
    "The process is stopped, overloaded or waits for something itself; or another protocol is spoken there.",
    "look at the process behind {endpoint}: stopped, overloaded, or a balancer whose backend hangs",
)
HOST_UNREACHABLE = Code(
    "NET004",
    "host-unreachable",
    W,
    "no route to host {endpoint} ({signal})",
    "At once: a firewall answers with an ICMP message; after about 3 s: no such host on the network.",
    "check that the host is up and that no firewall rejects the connection",
)
NAME_NOT_FOUND = Code(
    "NET005",
    "name-not-found",
    R,
    "the name `{host}` does not resolve ({signal})",
    "The name does not exist in DNS; in a cluster the service may not be created yet.",
    "check the spelling of `{host}`, the search list in /etc/resolv.conf, and that the service exists",
)
RESOLVER_UNAVAILABLE = Code(
    "NET006",
    "resolver-unavailable",
    R,
    "the resolver did not answer for `{host}` ({signal})",
    "The DNS server is unreachable or answered SERVFAIL.",
    "check the name server in /etc/resolv.conf",
)
NAME_WITHOUT_ADDRESS = Code(
    "NET007",
    "name-without-address",
    R,
    "`{host}` exists but has no usable address ({signal})",
    "The name has only records of another family or type.",
    "check its A and AAAA records",
)
BAD_NAME = Code(
    "NET008",
    "bad-name",
    P,
    "`{host}` cannot be a host name",
    "A label is empty or longer than 63 characters.",
    "correct the host name",
)
NET_UNREACHABLE = Code(
    "NET009",
    "net-unreachable",
    W,
    "no network route to {endpoint} ({signal})",
    "The network is not up yet or has no route there.",
    "check the routes of this host (`ip route get`)",
)
BLOCKED_HERE = Code(
    "NET010",
    "blocked-here",
    P,
    "this host forbids connecting to {endpoint} ({signal})",
    "A local route (`prohibit`, `blackhole`) or policy refuses, or the socket file may not be opened.",
    "look at `ip route`, local firewall rules and the permissions of the socket",
)
RESET = Code(
    "NET011",
    "reset",
    T,
    "{endpoint} closed the connection in phase {phase} after {received} bytes ({signal})",
    "The server went away in the middle of an answer.",
    "look at the server's log around this time",
)
NO_DESCRIPTORS = Code(
    "NET012",
    "no-descriptors",
    T,
    "no file descriptor left to connect to {endpoint} ({signal})",
    "This process or host reached its limit of open files.",
    "raise the limit of open files (`ulimit -n`)",
)

TLS_UNTRUSTED = Code(
    "TLS001",
    "certificate-untrusted",
    P,
    "the certificate of {endpoint} is signed by an authority unknown here ({signal})",
    "The CA is not in the trust store, or the server does not send its intermediate certificate.",
    "give the CA in the component's CA file key, or let the server send its whole chain",
)
TLS_EXPIRED = Code(
    "TLS002",
    "certificate-expired",
    P,
    "the certificate of {endpoint} has expired (it is {now} here)",
    "Its end date has passed, or the clock of this host is wrong.",
    "renew the certificate; compare the clocks",
)
TLS_NOT_YET = Code(
    "TLS003",
    "certificate-not-yet-valid",
    P,
    "the certificate of {endpoint} is not valid yet (it is {now} here)",
    "Its start date lies ahead, or the clock of this host is behind.",
    "compare the clock of this host with the issuer's",
    settles=True,
)
TLS_WRONG_NAME = Code(
    "TLS004",
    "certificate-wrong-name",
    P,
    "the certificate of {endpoint} is for another name: {said}",
    "The name asked for is not among the names of the certificate.",
    "connect by a name the certificate has, or issue it for this one",
)
TLS_SELF_SIGNED = Code(
    "TLS005",
    "certificate-self-signed",
    P,
    "the certificate of {endpoint} is self-signed ({signal})",
    "It is its own authority, and that is not trusted here.",
    "give the certificate itself as the component's CA file",
)
TLS_NOT_TLS = Code(
    "TLS006",
    "not-tls",
    P,
    "{endpoint} does not speak TLS ({signal})",
    "The peer speaks plain text on this port, or refuses TLS.",
    "use the TLS port, or turn TLS off for this component",
)
TLS_REQUIRED = Code(
    "TLS007",
    "tls-required",
    P,
    "{endpoint} takes only TLS connections ({signal})",
    "Plain text was sent to a port that wants TLS.",
    "turn TLS on for this component",
)
TLS_CLIENT_CERTIFICATE = Code(
    "TLS008",
    "client-certificate-required",
    P,
    "{endpoint} wants a client certificate ({signal})",
    "The server verifies its clients by certificate.",
    "give the client certificate and its key",
)
TLS_VERSION = Code(
    "TLS009",
    "protocol-version",
    P,
    "{endpoint} and this host share no TLS version ({signal})",
    "One side allows only versions that the other refuses.",
    "allow TLS 1.2 or newer on the server",
)
TLS_LOCAL_FILE = Code(
    "TLS010",
    "local-file",
    P,
    "the TLS file `{path}` cannot be used: {said}",
    "A CA, certificate or key file of this component is missing, unreadable or does not match.",
    "check the file `{path}`",
)
TLS_BROKEN = Code(
    "TLS011",
    "handshake-broken",
    T,
    "{endpoint} broke off the TLS handshake ({signal})",
    "The peer closed the connection during the handshake.",
    "look at the server's log; a balancer without a backend does this too",
)

CLOSED_AT_ONCE = Code(
    "LB004",
    "closed-at-once",
    W,
    "{endpoint} accepts and closes at once, without a byte ({signal})",
    "A balancer without a healthy backend, or a server that is dying or starting.",
    "look at the backends behind {endpoint}, not at the balancer",
    turns=(30.0, T),
)

NETWORK: tuple[Code, ...] = codes_in(globals())
