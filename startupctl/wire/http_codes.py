"""Diagnosis codes of HTTP answers, of balancers and of proxies, shared by the kinds that speak HTTP."""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass

UNHEALTHY_ANSWER = Code(
    "DEP006",
    "unhealthy-answer",
    FailureClass.TRANSIENT,
    "{asked} answered {got}, expected {expected}",
    "The service is reached and its answer is not the one that means ready.",
    "ask it yourself with `curl -i` and look at the service's log",
)
NO_BACKEND = Code(
    "LB001",
    "no-backend",
    FailureClass.WARMING,
    "{asked} answered 503 Service Unavailable",
    "A balancer without a healthy backend answers this, and so does a service that is starting or shutting down.",
    "look at the backends behind {endpoint}, not at the balancer; they are starting, draining or down",
)
BAD_GATEWAY = Code(
    "LB002",
    "bad-gateway",
    FailureClass.TRANSIENT,
    "{asked} answered 502 Bad Gateway",
    "A balancer reached its backend and could not use what that answered, or the backend refused.",
    "look at the log of the balancer at {endpoint} and at the backend it names",
)
GATEWAY_TIMEOUT = Code(
    "LB003",
    "gateway-timeout",
    FailureClass.TRANSIENT,
    "{asked} answered 504 Gateway Timeout",
    "A balancer waited for its backend as long as it may.",
    "look at the backend behind {endpoint}: stopped, overloaded, or slower than the balancer's timeout",
)

PROXY_UNREACHABLE = Code(
    "PRX001",
    "proxy-unreachable",
    FailureClass.TRANSIENT,
    "the proxy {proxy} of `{origin}` cannot be reached on the way to {host} ({signal})",
    "Requests go through the proxy that is configured, also for addresses of this machine.",
    "start the proxy or remove `{origin}`; if {host} is reached directly, add `{host}` to NO_PROXY (most clients ignore networks such as 10.0.0.0/8 there)",
)
PROXY_AUTHENTICATION = Code(
    "PRX002",
    "proxy-authentication",
    FailureClass.PERMANENT,
    "the proxy {proxy} of `{origin}` wants other credentials (407)",
    "User or password of the proxy are missing or wrong.",
    "put user and password into `{origin}`, or add `{host}` to NO_PROXY",
)
PROXY_DENIED = Code(
    "PRX003",
    "proxy-denied",
    FailureClass.PERMANENT,
    "the proxy {proxy} of `{origin}` does not connect to {host}:{port} ({status})",
    "The proxy's rules forbid the host, the port or CONNECT.",
    "allow {host}:{port} on the proxy, or add `{host}` to NO_PROXY",
)
PROXY_UPSTREAM = Code(
    "PRX004",
    "proxy-upstream",
    FailureClass.TRANSIENT,
    "the proxy {proxy} of `{origin}` could not connect to {host}:{port} ({status})",
    "The proxy works; the server behind it is down, or its name does not resolve there.",
    "look at {host}:{port} from the proxy's side",
)
PROXY_BAD_URL = Code(
    "PRX005",
    "proxy-bad-url",
    FailureClass.PERMANENT,
    "`{origin}` holds no address of an HTTP proxy",
    "Its value is malformed, has another scheme than http://, or what answers there is no HTTP proxy.",
    "write `{origin}` as http://user:password@host:port, or add `{host}` to NO_PROXY",
)

BALANCER_CODES = (NO_BACKEND, BAD_GATEWAY, GATEWAY_TIMEOUT)
PROXY_CODES = (PROXY_UNREACHABLE, PROXY_AUTHENTICATION, PROXY_DENIED, PROXY_UPSTREAM, PROXY_BAD_URL)
