"""`POST /api/command`: what the crew says, handed to the recorder, and its answer handed back.

Looks at the form of a command, never at its sense: that is the recorder's, which knows the drive.

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
NOT_THE_CREWS = frozenset({"stick"})
"""What only this machine's own processes say on the recorder's socket."""
BODY_S = 5.0
"""A body of one packet that takes longer comes from nobody who is in the car."""


async def command(request: Request) -> Response:
    """The endpoint."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send a command as application/json")
    try:
        said = loads(await body(request, MAX_COMMAND_BYTES))
    except ValueError:
        raise HTTPException(400, "the command is no JSON") from None
    if not isinstance(said, dict) or not isinstance(name := said.pop("command", None), str) or "id" in said:
        raise HTTPException(400, 'a command is {"command": NAME, ...its arguments}')
    if name in NOT_THE_CREWS:
        raise HTTPException(403, f"{name} is no command of the crew")
    feed: Feed = request.app.state.feed
    try:
        answer = await feed.command(name, said)
    except DeviceError as error:
        raise HTTPException(503, str(error)) from error
    if answer.get("ok") is True:
        return JSONResponse({"ok": True})
    return JSONResponse({"ok": False, "error": str(answer.get("error", "refused"))}, 409)


async def body(request: Request, most_bytes: int) -> bytes:
    """A request's body. HTTPException 413 when it is longer, 408 when it does not come."""
    data = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most_bytes:
                    raise HTTPException(413, f"at most {most_bytes} bytes", {"connection": "close"})
    except TimeoutError:
        raise HTTPException(408, "the request did not come", {"connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the client went away") from None
    return data
