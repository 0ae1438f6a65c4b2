"""Read the screen output of candump, the form in which most people keep a bus capture.

    [(stamp)]  can0  [RX B -]  18FEF100   [3]  01 02 03        FD: two digits in the brackets, [08]
               interface  -x   identifier [length]  data | remote request

Colours (`-c`) are removed; `-i` prints bytes as binary digits, `-S` prints them last byte first, joined by "`".

With `-8` the length of a classic frame stands in braces, and one of 9 to F is a length code for eight bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_bridge.records import ERR_FLAG, can_id_of
from logger.replay.canlogs.candump_stamps import GROUPS, STAMP, Groups, Stamps
from logger.replay.canlogs.entry import CLASSIC_BYTES, MAX_BYTES, Entry, octets

PATTERN = re.compile(
    rb"^ *(?:" + STAMP + rb" +)?"
    rb"([A-Za-z][\w.:-]{0,15}) +(?:(?:RX|TX)(?: +[BE-])? +[BE-]? *)?"
    rb"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{3}) +(?:\[(\d{1,2})\]|\{([0-9A-F])\})(.*)$",
    re.ASCII,
)
_ASCII_COLUMN = re.compile(rb"\s+'.*$", re.DOTALL)
_COLOUR = re.compile(rb"\x1b\[[\d;]*m")
_BINARY = re.compile(rb"(?:[01]{8}[ `]*)+")
_NO_FRAME = re.compile(rb"#|\t|DROPCOUNT|\s*$")
"""Comments, the meaning of an error frame (`-e`), frames that the kernel dropped (`-d`)."""


def recognise(head: Sequence[bytes]) -> CandumpScreen | None:
    """A reader, if one of the first lines has this format."""
    matches = [match for line in head if (match := PATTERN.match(_COLOUR.sub(b"", line)))]
    if not matches:
        return None
    return CandumpScreen([match.groups()[:GROUPS] for match in matches])


class CandumpScreen:
    """Reads one line after another. `head`: the stamps of the first lines."""

    def __init__(self, head: Sequence[Groups] = ()) -> None:
        self._stamps = Stamps(head)

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "candump" for a damaged line, "length" where data and length differ."""
        match = PATTERN.match(_COLOUR.sub(b"", line).rstrip(b"\r\n"))
        if match is None:
            return None if _NO_FRAME.match(line) else "candump"
        interface, digits, length_text, code, rest = match.groups()[GROUPS:]
        length = int(length_text) if code is None else min(int(code, 16), CLASSIC_BYTES)
        is_fd = code is None and len(length_text) == 2
        number = int(digits, 16)
        is_extended = len(digits) == 8
        is_remote = rest.strip().startswith(b"remote request")
        if is_remote:
            data: bytes | None = bytes(min(length, CLASSIC_BYTES))
        else:
            data = _data(_ASCII_COLUMN.sub(b"", rest.replace(b"ERRORFRAME", b"")).strip())
        if data is None or length > MAX_BYTES:
            return "candump"
        if len(data) != length:
            return "length"
        if is_extended and number & ERR_FLAG:
            return Entry(self._stamps.at_us(match.groups()), interface, number, data)
        flagged = can_id_of(number, is_extended=is_extended, is_remote=is_remote, is_fd=is_fd)
        return Entry(self._stamps.at_us(match.groups()), interface, flagged, data)


def _data(text: bytes) -> bytes | None:
    """The bytes of a frame as printed; None if one is not a byte."""
    data = octets(text.replace(b"`", b" "), 2 if _BINARY.fullmatch(text) else 16)
    return data[::-1] if data and b"`" in text else data
