"""The kind `http`: a URL whose answer has the status, headers and body that mean ready."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from startupctl import network_codes
from startupctl.addresses import Endpoint, Url
from startupctl.check import Check, Facts, Unhealthy
from startupctl.diagnosis import Code, Diagnosis, FailureClass, Phase
from startupctl.failures import NotThisProtocol
from startupctl.wire.http import request
from startupctl.wire.http_codes import BALANCER_CODES, PROXY_CODES, UNHEALTHY_ANSWER
from startupctl.wire.http_keys import Headers, HttpExpect, ProxyChoice
from startupctl.wire.http_message import DEFAULT_PORTS, HttpRequest, merge_headers, request_target
from startupctl.wire.http_status import diagnose_proxy, diagnose_status, phrase
from startupctl.wire.proxy import ProxyFailed, basic_authorization
from startupctl.wire.tls import client_context
from startupctl.wire.tls_keys import CaFile, CertFile, KeyFile, Verify, file_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from startupctl.check import Run
    from startupctl.wire.http_message import HttpAnswer

PUBLIC_HEADERS = frozenset({"accept", "content-type", "host", "user-agent"})


class Http(Check):
    """A request is answered within the attempt, and as expected; redirects are not followed."""

    codes: ClassVar[tuple[Code, ...]] = (UNHEALTHY_ANSWER, *BALANCER_CODES, *PROXY_CODES)

    url: Url = Field(description="http:// or https://; user and password are sent as Basic credentials")
    method: str = Field(default="GET", pattern="^[A-Za-z]+$", description="the method of the request")
    headers: Headers = Field(default_factory=dict, description="sent along; their values count as secrets")
    body: str = Field(default="", description="sent as it stands, in UTF-8")
    expect: HttpExpect = HttpExpect()
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    verify: Verify = True
    proxy: ProxyChoice = Field(
        default="env", description="`env` (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), `none` or a URL"
    )

    @field_validator("url")
    @classmethod
    def _one_http_server(cls, url: Url) -> Url:
        if url.scheme not in DEFAULT_PORTS or len(url.hosts) != 1 or not url.host:
            raise ValueError("not a URL such as https://host:port/path")
        return url

    @model_validator(mode="after")
    def _key_beside_certificate(self) -> Self:
        if self.key_file and not self.cert_file:
            raise ValueError("`key_file` needs `cert_file`")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is."""
        return Endpoint(self.url.host, self.url.port or DEFAULT_PORTS[self.url.scheme])

    @property
    def target(self) -> str:
        """The URL without its secrets."""
        return str(self.url)

    def secrets(self) -> Iterator[str]:
        """Yield what must not be shown: of the headers all but the four that say nothing."""
        hidden = {name: value for name, value in self.headers.items() if name.lower() not in PUBLIC_HEADERS}
        yield from Check.secrets(self.model_copy(update={"headers": hidden}))
        if self.url.password:
            yield basic_authorization(self.url).removeprefix("Basic ")

    async def check(self, run: Run) -> Facts:
        """Ask once, and hold the answer against `expect`."""
        answer = await request(run, self._request(run.folder))
        facts: Facts = {"status": answer.status, "size": len(answer.body)}
        if "Server" in answer.headers:
            facts["server"] = answer.headers["Server"]
        diagnosis = self._judge(answer)
        if diagnosis:
            raise Unhealthy(diagnosis, facts)
        return facts

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify what came of a proxy, and answers that are no HTTP."""
        if isinstance(error, ProxyFailed):
            return diagnose_proxy(error)
        if isinstance(error, NotThisProtocol):
            return self._no_http(error)
        return None

    @property
    def _asked(self) -> str:
        return f"{self.method.upper()} {self.url}"

    def _request(self, folder: Path) -> HttpRequest:
        authorization = basic_authorization(self.url)
        own = {"Accept": "*/*"} | ({"Authorization": authorization} if authorization else {})
        given = {name: value.reveal() for name, value in self.headers.items()}
        return HttpRequest(
            scheme=self.url.scheme,
            endpoint=self.endpoint,
            target=request_target(self.url),
            method=self.method.upper(),
            headers=merge_headers(own, given),
            body=self.body.encode(),
            tls=partial(
                client_context,
                verify=self.verify,
                ca_file=file_in(folder, self.ca_file),
                cert_file=file_in(folder, self.cert_file),
                key_file=file_in(folder, self.key_file),
            ),
            proxy=self.proxy,
        )

    def _judge(self, answer: HttpAnswer) -> Diagnosis | None:
        if not self.expect.admits(answer.status):
            return diagnose_status(self._asked, str(self.endpoint), answer, self.expect.statuses)
        mismatch = self.expect.mismatch(answer)
        return self._unhealthy(phrase(answer.status), *mismatch) if mismatch else None

    def _no_http(self, error: NotThisProtocol) -> Diagnosis:
        if error.looks_like == "TLS":
            facts = {"endpoint": str(error.endpoint), "signal": "it answers with TLS"}
            return Diagnosis(network_codes.TLS_REQUIRED, facts, phase=Phase.GREET, advice="write `url` with https://")
        return self._unhealthy(f"in another protocol ({error.looks_like})", "HTTP", "", Phase.GREET)

    def _unhealthy(self, got: str, expected: str, found: str, phase: Phase = Phase.QUERY) -> Diagnosis:
        facts = {"asked": self._asked, "got": got, "expected": expected}
        return Diagnosis(UNHEALTHY_ANSWER, facts, said=found, phase=phase, failure_class=FailureClass.PERMANENT)
