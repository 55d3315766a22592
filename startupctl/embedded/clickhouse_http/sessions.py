"""Sessions: a connection to the engine kept between the queries of one client."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from startupctl.embedded.clickhouse_http.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from startupctl.embedded.clickhouse_http.connection import Connection

IDLE = 60.0  # seconds after which a session is closed: default_session_timeout of a server


@dataclass(slots=True)
class Session:
    """One session; its lock is held while a query runs in it."""

    connection: Connection
    busy: threading.Lock = field(default_factory=threading.Lock)
    used: float = field(default_factory=time.monotonic)


class Sessions:
    """The sessions of a server, by their ids."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Keep how a connection is made."""
        self._connect = connect
        self._guard = threading.Lock()
        self._open: dict[str, Session] = {}

    @contextmanager
    def taken(self, session_id: str, *, must_exist: bool) -> Iterator[Session]:
        """Lend a session to one query; raises Refusal when it is in use, or missing though it must exist."""
        session = self._take(session_id, must_exist)
        try:
            yield session
        finally:
            session.used = time.monotonic()
            session.busy.release()

    def _take(self, session_id: str, must_exist: bool) -> Session:  # noqa: FBT001  (passed on from `taken`)
        with self._guard:
            self._close_idle()
            if must_exist and session_id not in self._open:
                raise Refusal.of(372, "SESSION_NOT_FOUND", "Session not found")
            session = self._open.get(session_id) or Session(self._connect())
            self._open[session_id] = session
            if not session.busy.acquire(blocking=False):
                raise Refusal.of(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
            return session

    def _close_idle(self) -> None:
        for session_id, session in list(self._open.items()):
            if time.monotonic() - session.used > IDLE and session.busy.acquire(blocking=False):
                del self._open[session_id]
                session.connection.close()
