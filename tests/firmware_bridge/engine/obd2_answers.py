"""Build OBD-II answers from the standard's layout, independent of the product's code."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_bridge.engine import isotp
from firmware_bridge.engine.obd2_frames import POSITIVE


def answer_frames(answers: Sequence[tuple[int, bytes]], padding: bytes = b"\x00") -> list[bytes]:
    """The data of the frames of a control unit's answer."""
    payload = bytes((POSITIVE,)) + b"".join(bytes((pid,)) + value for pid, value in answers)
    return isotp.frames_of(payload, padding)
