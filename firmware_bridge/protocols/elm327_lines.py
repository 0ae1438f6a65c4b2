"""Parse single lines of an ELM327 or STN dongle: frames with their headers, and status messages.

    standard   iii dd*       3 hex digits, then 0 to 8 bytes       7E8 06 41 00 BE 3F A8 13      (ATS1)
    extended   iiiiiiii dd*  8 hex digits, then 0 to 8 bytes       18DAF110064100BE3FA813        (ATS0)

Without spaces the number of digits distinguishes the two: it is odd in a standard frame. Stateless.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable, Mapping
from typing import Any

from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK, RTR_FLAG

Detail = Mapping[str, Any]

_FRAME = re.compile(
    rb"(?:(?P<standard>[0-7][0-9A-Fa-f]{2})|(?P<extended>[01][0-9A-Fa-f](?: ?[0-9A-Fa-f]{2}){3}))"
    rb"(?:(?P<data>(?: [0-9A-Fa-f]{2}){0,8}|(?:[0-9A-Fa-f]{2}){0,8})|(?P<remote> ?RTR))"
)
_PROGRESS = re.compile(rb"(?:SEARCHING|BUS INIT:) ?\.*(?:OK)?")
"""Progress text that some dongles write before the first answer."""
_ECHO = re.compile(rb"(?:AT|ST)[ -~]*|01(?: ?[0-9A-F]{2}){1,6}[0-9A-F]?", re.IGNORECASE)
RESTARTED = re.compile(rb"ELM327 v|LV RESET")
"""Text that a dongle writes when it starts; its settings are lost then."""
DAMAGED = (b"<DATA ERROR", b"<RX ERROR")
"""Suffixes of a frame with a CRC or form error on the bus."""


def plain(data: bytes) -> bytes:
    """Remove the NUL bytes that clones insert between characters."""
    return data.replace(b"\x00", b"")


def frame_of(line: bytes) -> tuple[int, bytes] | None:
    """Identifier (with its flags) and data of a frame line; None for any other line.

    A dongle does not write the length of a remote frame, so its data is empty.
    """
    match = _FRAME.fullmatch(line)
    if match is None:
        return None
    if match["standard"]:
        can_id = int(match["standard"], 16)
    else:
        can_id = int(match["extended"].replace(b" ", b""), 16) | EFF_FLAG
    if match["remote"]:
        return can_id | RTR_FLAG, b""
    return can_id, unhexlify(match["data"].replace(b" ", b""))


def line_of(can_id: int, data: bytes, *, spaces: bool = False) -> bytes:
    """The line of a classic frame, without the line end."""
    number = can_id & EXTENDED_MASK
    head = number.to_bytes(4, "big").hex(" ") if can_id & EFF_FLAG else f"{number:03x}"
    tail = "RTR" if can_id & RTR_FLAG else data.hex(" ")
    line = f"{head} {tail}".strip().upper()
    return (line if spaces else line.replace(" ", "")).encode()


def without_progress(line: bytes) -> bytes:
    """The line without a leading `SEARCHING...` or `BUS INIT: ...`."""
    match = _PROGRESS.match(line)
    return line[match.end() :].strip() if match else line


def is_echo(line: bytes, *, is_after_prompt: bool) -> bool:
    """Whether a line is an echo of the host's command. A request looks like a frame, but its echo follows a prompt."""
    return _ECHO.fullmatch(line) is not None and (is_after_prompt or not line.startswith(b"01"))


def notice_of(line: bytes) -> tuple[str, Detail] | None:
    """Kind and detail of the notice for a known message, kind "" if it needs no notice; None for an unknown line."""
    text = line.decode("latin-1")
    return next((read(text) for pattern, read in _MESSAGES if pattern.fullmatch(text)), None)


def _no_notice(_text: str) -> tuple[str, Detail]:
    return "", {}


def _refused(text: str) -> tuple[str, Detail]:
    return "adapter_refused", {"answer": text}


def _answer(text: str) -> tuple[str, Detail]:
    return "adapter_answer", {"answer": text}


def _overrun(_text: str) -> tuple[str, Detail]:
    return "adapter_status", {"flags": ["data_overrun"]}


def _status(text: str) -> tuple[str, Detail]:
    return "adapter_status", {"flags": [text.strip("!").lower().replace(" ", "_")]}


def _bus_error(text: str) -> tuple[str, Detail]:
    return "bus_error", {"errors": [text.strip("<. ").lower()]}


_MESSAGES: tuple[tuple[re.Pattern[str], Callable[[str], tuple[str, Detail]]], ...] = (
    # Including a voltage and a protocol number.
    (re.compile(r"OK|NO DATA|STOPPED|\d{1,2}\.\d{1,2} ?V|A?[0-9A-C]|\.+"), _no_notice),
    (re.compile(r"\?"), _refused),
    (re.compile(r"BUFFER FULL"), _overrun),
    (re.compile(r"LV RESET|!?(?:LP|ACT) ALERT"), _status),
    (re.compile(r"(?:CAN|BUS|FB|DATA|RX|\.*) ?ERROR|BUS BUSY|<(?:DATA|RX) ERROR|ERR\d\d"), _bus_error),
    (re.compile(r"(?:ELM|STN|OBD|SCANTOOL|UNABLE TO CONNECT)[ -~]{0,60}", re.IGNORECASE), _answer),
)
