"""`POST /api/command`: pass a crew command to the recorder and return its answer.

Checks the form of a command only. The recorder, which knows the drive, decides whether it makes sense.

    200 {"ok": true}    409 {"ok": false, "error": "one line"}    503 the recorder is not there, or does not answer
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from firmware_bridge.errors import DeviceError
from logger.boundary.untrusted_json import loads
from logger.crew.feed import Feed

MAX_COMMAND_BYTES = 4096
LOCAL_COMMANDS = frozenset({"stick"})
"""Commands that only processes of this machine may send, on the recorder's socket."""
BODY_TIMEOUT_S = 5.0
"""A body fits in one packet; a client inside the car never needs longer."""


async def command(request: Request) -> Response:
    """The endpoint of `/api/command`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send a command as application/json")
    try:
        arguments = loads(await body(request, MAX_COMMAND_BYTES))
    except ValueError:
        raise HTTPException(400, "the command is not JSON") from None
    if (
        not isinstance(arguments, dict)
        or not isinstance(name := arguments.pop("command", None), str)
        or "id" in arguments
    ):
        raise HTTPException(400, 'a command is {"command": NAME, ...its arguments}')
    if name in LOCAL_COMMANDS:
        raise HTTPException(403, f"{name} is not a command for the crew")
    feed: Feed = request.app.state.feed
    try:
        answer = await feed.command(name, arguments)
    except DeviceError as error:
        raise HTTPException(503, str(error)) from error
    if answer.get("ok") is True:
        return JSONResponse({"ok": True})
    return JSONResponse({"ok": False, "error": str(answer.get("error", "refused"))}, 409)


async def body(request: Request, max_bytes: int) -> bytes:
    """Read a request's body. HTTPException 413 when it is longer, 408 after `BODY_TIMEOUT_S`."""
    data = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > max_bytes:
                    raise HTTPException(413, f"at most {max_bytes} bytes", {"connection": "close"})
    except TimeoutError:
        raise HTTPException(408, "the request body did not arrive", {"connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the client disconnected") from None
    return data
