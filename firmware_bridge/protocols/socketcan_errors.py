"""Parse SocketCAN error frames: bus states, bus errors, overruns (linux/can/error.h).

Stateless. The notices have the same kinds and details as those of SLCAN adapters, so readers of the log need not know
which adapter it was.

    identifier: the classes below, one bit each     data[1] controller | [2], [3] protocol | [6], [7] counters
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TX_TIMEOUT, _CONTROLLER, _PROTOCOL, _TRANSCEIVER = 0x01, 0x04, 0x08, 0x10
_NO_ACK, _BUS_OFF, _BUS_ERROR, _RESTARTED = 0x20, 0x40, 0x80, 0x100

_OVERRUNS = {0x01: "rx_overrun", 0x02: "tx_overrun"}
_STATES = {0x30: "passive", 0x0C: "warning", 0x40: "active"}
"""Bits of data[1], the worst state first: passive or warning in either direction."""
_VIOLATIONS = {0x01: "bit", 0x02: "form", 0x04: "stuff", 0x08: "bit0", 0x10: "bit1", 0x20: "overload"}
"""Bits of data[2]. The other bits are the direction, and that the bus is active again."""
_IN_CHECKSUM, _IN_ACK = 0x08, 0x19
"""Values of data[3], the location of the violation: CRC sequence, ACK slot."""


def notices(classes: int, data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and detail of each notice for an error frame; none for lost arbitration, which is normal."""
    data = data.ljust(8, b"\0")
    state = _state(classes, data[1])
    if state:
        yield "bus_state", {"state": state, "rx_errors": data[7], "tx_errors": data[6]}
    errors = list(_errors(classes, data))
    if errors:
        yield "bus_error", {"errors": errors}


def _state(classes: int, controller: int) -> str:
    if classes & _BUS_OFF:
        return "off"
    if classes & _CONTROLLER:
        for bits, state in _STATES.items():
            if controller & bits:
                return state
    return "active" if classes & _RESTARTED else ""


def _errors(classes: int, data: bytes) -> Iterator[str]:
    if classes & _CONTROLLER:
        yield from (name for bit, name in _OVERRUNS.items() if data[1] & bit)
    violations = [name for bit, name in _VIOLATIONS.items() if classes & _PROTOCOL and data[2] & bit]
    if classes & _PROTOCOL and data[3] == _IN_CHECKSUM:
        violations.append("crc")
    if classes & _NO_ACK or (classes & _PROTOCOL and data[3] == _IN_ACK):
        violations.append("ack")
    if classes & (_PROTOCOL | _BUS_ERROR) and not violations:
        violations.append("unspecified")
    yield from violations
    if classes & _TRANSCEIVER:
        yield "transceiver"
    if classes & _TX_TIMEOUT:
        yield "tx_timeout"
