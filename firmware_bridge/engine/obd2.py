"""Decode OBD-II answers into readings, including answers to requests of another tester."""

from __future__ import annotations

from firmware_bridge.engine.isotp import Reassembler
from firmware_bridge.engine.obd2_frames import ANSWER_IDS, NEGATIVE, PIDS, POSITIVE, read_answers
from firmware_bridge.records import Reading


class Obd2Decoder:
    """Decode answers of service 01 on any bus, in one frame or in several; other services are ignored.

    `bad` counts incomplete frames and answers from the answer identifiers, and refusals.
    """

    ids = ANSWER_IDS
    multiplexed = ANSWER_IDS
    channels = tuple(pid.channel for pid in PIDS.values())

    def __init__(self) -> None:
        self._payloads = Reassembler()
        self._unreadable = 0

    @property
    def bad(self) -> int:
        return self._unreadable + self._payloads.bad + self._payloads.dropped

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        """The readings in the answer that this frame completes; PIDs outside PIDS give none."""
        payload = self._payloads.feed(t_us, (bus, can_id), data)
        if payload is None:
            return []
        answers = read_answers(payload)
        if answers is None:
            self._unreadable += payload[0] in (POSITIVE, NEGATIVE)
            return []
        return [
            Reading(t_us, pid.channel, pid.scaled(int.from_bytes(value, "big")))
            for number, value in answers
            if (pid := PIDS.get(number)) is not None
        ]
