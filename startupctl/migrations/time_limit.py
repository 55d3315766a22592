"""How long one file of migrations may take, on its way up or down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Wait for the work on one file, 0 is without limit; raises StatementFailed when it takes longer."""
    try:
        async with asyncio.timeout(seconds or None) as scope:
            return await work
    except TimeoutError as error:
        if not scope.expired():
            raise
        said = f"not finished within migrations.timeout ({seconds:g} s)"
        raise StatementFailed("", said, FailureClass.PERMANENT) from error
