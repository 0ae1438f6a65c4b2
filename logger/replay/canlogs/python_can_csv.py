"""Read the CSV of python-can.

timestamp,arbitration_id,extended,remote,error,dlc,data
1483389464.165,0x18fef100,1,0,0,3,AQID              seconds, hexadecimal identifier, data in base 64
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from firmware_bridge.records import ERR_FLAG, can_id_of
from logger.replay.canlogs.entry import CLASSIC_BYTES, MAX_BYTES, Entry

_HEAD = re.compile(rb"^timestamp,arbitration_id,extended,remote,error,dlc,data\s*$", re.IGNORECASE)
_LINE = re.compile(
    rb"^(\d{1,17}(?:\.\d{1,20})?(?:e-\d{1,2})?),0x([0-9a-fA-F]{1,8}),([01]),([01]),([01]),(\d{1,2}),([A-Za-z0-9+/=]*)\s*$"
)


def recognise(head: Sequence[bytes]) -> PythonCanCsv | None:
    """A reader, if one of the first lines is the header."""
    return PythonCanCsv() if any(_HEAD.match(line) for line in head) else None


class PythonCanCsv:
    """Reads one line after another."""

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "csv" for a damaged line, "length" where data and length differ."""
        if not line.strip() or _HEAD.match(line):
            return None
        match = _LINE.match(line)
        if match is None:
            return "csv"
        seconds, digits, extended, remote, error, size, packed = match.groups()
        length, is_remote = int(size), remote == b"1"
        try:
            data = bytes(min(length, CLASSIC_BYTES)) if is_remote else base64.b64decode(packed, validate=True)
        except binascii.Error:
            return "csv"
        if length > MAX_BYTES or (not is_remote and len(data) != length):
            return "length"
        number = int(digits, 16)
        flagged = can_id_of(
            number, is_extended=extended == b"1", is_remote=is_remote, is_fd=length > CLASSIC_BYTES
        )
        return Entry(round(float(seconds) * 1e6), b"", flagged | ERR_FLAG if error == b"1" else flagged, data)
