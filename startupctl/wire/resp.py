"""RESP2, the protocol of Redis and Valkey: commands out, answers in, an error answer as an exception."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from startupctl.failures import ConnectionBroken, NotThisProtocol

if TYPE_CHECKING:
    from startupctl.wire.stream import Stream

MAX_ANSWER = 1 << 20  # bytes of one answer with all that is nested in it; INFO has about 8 KiB
MAX_DEPTH = 8
SHORTEST_ITEM = 3  # bytes of an element of an array: a type and an end of line
PEEK = 0.05  # seconds to wait for the rest of what is no RESP

Command: TypeAlias = tuple[str, ...]
Answer: TypeAlias = "str | int | RedisError | list[Answer] | None"


class RedisError(Exception):
    """An error answer: `word` is its first word, `text` the rest, `command` the name of what was asked.

    The words are those of https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors.
    """

    def __init__(self, word: str, text: str, command: str = "") -> None:
        """Keep the parts; the text of the exception is the answer as it came."""
        self.word, self.text, self.command = word, text, command
        super().__init__(f"{word} {text}")


class Resp:
    """One conversation: answers come in the order of the commands, so each error names its command."""

    def __init__(self, stream: Stream) -> None:
        """Speak on a connected stream."""
        self._stream = stream
        self._asked: deque[str] = deque()
        self._limit = 0

    async def send(self, *commands: Command) -> None:
        """Send commands at once, without waiting; each is answered by one `answer`."""
        self._asked.extend(words[0] for words in commands)
        await self._stream.send(b"".join(map(encode, commands)))

    async def answer(self) -> Answer:
        """Return the next answer; raises RedisError for an error, NotThisProtocol for what is no RESP."""
        command = self._asked.popleft()
        self._limit = self._stream.received + MAX_ANSWER
        answer = await self._read(MAX_DEPTH)
        if isinstance(answer, RedisError):
            raise RedisError(answer.word, answer.text, command)
        return answer

    async def call(self, *words: str) -> Answer:
        """Send one command and return its answer."""
        await self.send(words)
        return await self.answer()

    async def _read(self, depth: int) -> Answer:
        mark = await self._stream.read_exactly(1)
        if mark not in b"+-:$*":
            raise await self._foreign(mark)
        text = await self._line(mark)
        match mark:
            case b"+":
                return text
            case b"-":
                word, _, rest = text.partition(" ")
                return RedisError(word, rest)
            case b":":
                return self._number(mark, text)
            case b"$":
                return await self._bulk(self._number(mark, text))
        return await self._array(self._number(mark, text), depth)

    async def _line(self, mark: bytes) -> str:
        try:
            line = await self._stream.read_line()
        except ConnectionBroken as error:
            if isinstance(error.cause, ValueError):
                raise self._not_resp(mark) from error
            raise
        if not line.endswith(b"\r\n"):
            raise self._not_resp(mark + line)
        return line[:-2].decode(errors="replace")

    def _number(self, mark: bytes, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise self._not_resp(mark + text.encode()) from None

    async def _bulk(self, length: int) -> str | None:
        if length == -1:
            return None
        self._admit(b"$", length, 1)
        data = await self._stream.read_exactly(length + 2)
        if not data.endswith(b"\r\n"):
            raise self._not_resp(b"$" + data)
        return data[:-2].decode(errors="replace")

    async def _array(self, length: int, depth: int) -> list[Answer] | None:
        if length == -1:
            return None
        self._admit(b"*", length, SHORTEST_ITEM)
        if not depth:
            raise self._not_resp(b"*" * MAX_DEPTH)
        return [await self._read(depth - 1) for _ in range(length)]

    def _admit(self, mark: bytes, length: int, size: int) -> None:
        if not 0 <= length * size <= self._limit - self._stream.received:
            raise self._not_resp(mark + str(length).encode())

    async def _foreign(self, beginning: bytes) -> NotThisProtocol:
        """Take what comes at once with the first byte: a longer beginning tells better what is there."""
        with suppress(ConnectionBroken, TimeoutError):
            async with asyncio.timeout(PEEK):
                beginning += await self._stream.read_some(64)
        return self._not_resp(beginning)

    def _not_resp(self, beginning: bytes) -> NotThisProtocol:
        return NotThisProtocol(self._stream.endpoint, "the Redis protocol", beginning)


def encode(words: Command) -> bytes:
    """Return a command as an array of bulk strings."""
    parts = [word.encode(errors="surrogateescape") for word in words]  # bytes an environment variable may hold
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def log_in(user: str | None, password: str | None, database: int) -> list[Command]:
    """Return the commands that make a connection usable: AUTH before SELECT, each only where it is needed."""
    commands: list[Command] = []
    if user or password:
        commands.append(("AUTH", *([user] if user else []), password or ""))
    if database:
        commands.append(("SELECT", str(database)))
    return commands
