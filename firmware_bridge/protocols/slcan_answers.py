"""Parse SLCAN lines that are not frames: answers to commands, bus states, errors, acknowledgements.

Covers all dialects; stateless. The letters are from Lawicel's manual, Linux's `slcan` driver (`s`, `e`) and CANable
2.5 (`#`, `E`, `+`, `>`, `M`, `L`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Detail = Mapping[str, Any]

BEL = b"\a"

_STATES = {"a": "active", "w": "warning", "p": "passive", "b": "off"}
_ERRORS = {
    "a": "ack",
    "b": "bit0",
    "B": "bit1",
    "c": "crc",
    "f": "form",
    "o": "rx_overrun",
    "O": "tx_overrun",
    "s": "stuff",
}
_FLAGS = {
    0: "rx_full",
    1: "tx_full",
    2: "error_warning",
    3: "data_overrun",
    5: "error_passive",
    6: "arbitration_lost",
    7: "bus_error",
}


def answer(line: bytes) -> tuple[str, Detail] | None:
    """Kind and detail of the notice for a line, kind "" if it needs no notice; None if it is not an answer."""
    for pattern, read in _ANSWERS:
        if match := pattern.fullmatch(line):
            return read(match.group().decode("ascii"))
    return None


def _no_notice(_text: str) -> tuple[str, Detail]:
    return "", {}


def _refused(text: str) -> tuple[str, Detail]:
    return "adapter_refused", {"answer": text.strip("\a")}


def _bus_state(text: str) -> tuple[str, Detail]:
    return "bus_state", {"state": _STATES[text[1]], "rx_errors": int(text[2:5]), "tx_errors": int(text[5:8])}


def _bus_errors(text: str) -> tuple[str, Detail] | None:
    if int(text[1]) != len(text) - 2:
        return None
    return "bus_error", {"errors": [_ERRORS[letter] for letter in text[2:]]}


def _error_report(text: str) -> tuple[str, Detail]:
    return "bus_error", {"report": text[1:]}


def _status(text: str) -> tuple[str, Detail]:
    bits = int(text[1:], 16)
    return "adapter_status", {"flags": [name for bit, name in _FLAGS.items() if bits >> bit & 1]}


def _version(text: str) -> tuple[str, Detail]:
    return "adapter_answer", {"answer": text}


_ANSWERS: tuple[tuple[re.Pattern[bytes], Callable[[str], tuple[str, Detail] | None]], ...] = (
    (re.compile(rb"[zZ]+|#|M[0-9A-Fa-f]{2}|L\d{1,3}"), _no_notice),  # sent; done; sent and marked; bus load
    (re.compile(rb"\a|#[ -~]"), _refused),
    (re.compile(rb"s[awpb]\d{6}"), _bus_state),
    (re.compile(rb"e\d[aBbcfoOs]{1,9}"), _bus_errors),
    (re.compile(rb"F[0-9A-Fa-f]{2}"), _status),
    (re.compile(rb"E[0-9A-F]{8}"), _error_report),
    (re.compile(rb"[VN][0-9A-Za-z]{1,16}|v[0-9A-Fa-f]{4}|v: [ -~]{1,200}|ESP32RET"), _version),
    (re.compile(rb"[+>][\t -~]{1,250}"), _version),
    # CANable and WeAct.
    (re.compile(rb"[!-~]{1,40} [ -~]{0,160}(?:git|canable|V\d)[ -~]{0,100}"), _version),
)
