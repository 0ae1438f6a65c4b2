"""A long answer ends when its client goes away: what was being done for it is cancelled at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive

Result = TypeVar("Result")


async def until_gone(receive: Receive, answering: Coroutine[object, object, Result]) -> Result | None:
    """Do `answering` to its end, or until the client is gone (None). What it raises is raised."""
    answer = asyncio.ensure_future(answering)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        for task in (answer, leaving):
            task.cancel()
        await asyncio.gather(answer, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
