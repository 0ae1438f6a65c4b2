"""J1939 identifiers: match frames to DBC messages by parameter group, for any source address.

    [priority:3] [EDP, DP:2] [PF:8] [PS:8] [source address:8]        (SAE J1939-21)

PF below 240 (PDU1): PS is the destination address; else (PDU2) it is part of the parameter group number, PGN. A DBC
file describes groups, so frames are matched by PGN; the priority is ignored because the sender chooses it. DBC files
write the null address FE for a message that any node may send.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_bridge.engine.dbc_records import MessageText
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK, FD_FLAGS

ANY_SOURCE = 0xFE
"""The null address; in a DBC file it stands for any source."""
_GLOBAL = 0xFF
"""The destination address of broadcasts; never a source address."""
_PDU2 = 240
_J1939 = "J1939PG"


class Address(NamedTuple):
    """The parts of a J1939 identifier. `destination` is None for PDU2."""

    pgn: int
    destination: int | None
    source: int


def address(can_id: int) -> Address:
    """Split an extended identifier; flags and priority are ignored."""
    page_and_format, specific = can_id >> 16 & 0x3FF, can_id >> 8 & 0xFF
    if page_and_format & 0xFF < _PDU2:
        return Address(page_and_format << 8, specific, can_id & 0xFF)
    return Address(page_and_format << 8 | specific, None, can_id & 0xFF)


def j1939_messages(messages: Sequence[MessageText], protocol: str) -> frozenset[int]:
    """The indices of the messages of a file that are matched by PGN.

    A message's frame format (VFrameFormat) decides. Without it the file's attribute ProtocolType decides. Without that,
    a file whose extended messages mostly have the source FE is J1939: no other 29-bit scheme leads to that.
    """
    extended = [message for message in messages if message.can_id & EFF_FLAG]
    any_source = sum(address(message.can_id).source == ANY_SOURCE for message in extended)
    is_j1939 = protocol.upper() == "J1939" if protocol else 2 * any_source > len(extended)
    return frozenset(
        index
        for index, message in enumerate(messages)
        if message.can_id & EFF_FLAG
        and (message.frame_format == _J1939 if message.frame_format else is_j1939)
    )


class Groups:
    """Index of message identifiers by parameter group."""

    def __init__(self, can_ids: Iterable[int]) -> None:
        self._by_pgn: dict[int, list[int]] = {}
        for can_id in dict.fromkeys(can_ids):
            self._by_pgn.setdefault(address(can_id).pgn, []).append(can_id)

    def __bool__(self) -> bool:
        return bool(self._by_pgn)

    def match(self, can_id: int) -> list[int]:
        """The identifiers that the file gives a frame's message.

        A message with a source address matches that source only, and takes precedence over messages for any source;
        among those, a message with the frame's destination takes precedence. Remote and error frames match nothing.
        """
        if can_id & ~(EXTENDED_MASK | FD_FLAGS) != EFF_FLAG or can_id & 0xFF in (
            ANY_SOURCE,
            _GLOBAL,
        ):
            return []
        frame = address(can_id)
        matches: dict[tuple[bool, bool], list[int]] = {}
        for known in self._by_pgn.get(frame.pgn, ()):
            _, destination, source = address(known)
            if source in (frame.source, ANY_SOURCE):
                matches.setdefault((source != ANY_SOURCE, destination == frame.destination), []).append(known)
        return matches[max(matches)] if matches else []
