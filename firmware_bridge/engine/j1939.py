"""J1939 identifiers: which messages of a DBC file a frame is, whoever sends it.

    [priority:3] [EDP, DP:2] [PF:8] [PS:8] [source address:8]        (SAE J1939-21)

PF below 240 (PDU1): PS is the destination's address; else (PDU2) it belongs to the parameter group number, PGN. A DBC
file says what a group contains, so a frame is matched by its PGN; the priority is the sender's choice. DBC files write
FE, the address of a node that has none, where any node may send the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_bridge.engine.dbc_records import MessageText
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK, FD_FLAGS

ANY_SOURCE = 0xFE
"""The null address: in a DBC file, whoever sends."""
_GLOBAL = 0xFF
"""The destination of what is sent to all nodes. It is no source."""
_PDU2 = 240
_J1939 = "J1939PG"


class Address(NamedTuple):
    """An identifier taken apart. `destination` is None for PDU2, which has none."""

    pgn: int
    destination: int | None
    source: int


def address(can_id: int) -> Address:
    """The parts of an extended identifier; flags and priority are no part of them."""
    page_and_format, specific = can_id >> 16 & 0x3FF, can_id >> 8 & 0xFF
    if page_and_format & 0xFF < _PDU2:
        return Address(page_and_format << 8, specific, can_id & 0xFF)
    return Address(page_and_format << 8 | specific, None, can_id & 0xFF)


def j1939_messages(messages: Sequence[MessageText], protocol: str) -> frozenset[int]:
    """Which messages of a file, by their index, are matched by PGN.

    The frame format of a message decides (VFrameFormat). Where the file has none, its attribute ProtocolType does; and
    without that, whether most of its extended messages have the source FE, which no other 29-bit scheme comes to.
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
    """The identifiers of messages by their parameter groups."""

    def __init__(self, can_ids: Iterable[int]) -> None:
        self._by_pgn: dict[int, list[int]] = {}
        for can_id in dict.fromkeys(can_ids):
            self._by_pgn.setdefault(address(can_id).pgn, []).append(can_id)

    def __bool__(self) -> bool:
        return bool(self._by_pgn)

    def match(self, can_id: int) -> list[int]:
        """The identifiers under which the file has a frame's message.

        A message that names a source is of that source only, and wins over those of any source; among them, one that
        names the frame's destination wins. Remote and error frames are no message.
        """
        if can_id & ~(EXTENDED_MASK | FD_FLAGS) != EFF_FLAG or can_id & 0xFF in (
            ANY_SOURCE,
            _GLOBAL,
        ):
            return []
        frame = address(can_id)
        fits: dict[tuple[bool, bool], list[int]] = {}
        for known in self._by_pgn.get(frame.pgn, ()):
            _, destination, source = address(known)
            if source in (frame.source, ANY_SOURCE):
                fits.setdefault((source != ANY_SOURCE, destination == frame.destination), []).append(known)
        return fits[max(fits)] if fits else []
