"""Run opening dialogues with simulated devices, without a port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.protocols import Opened, Opening


@dataclass
class Transcript:
    """A dialogue: the commands sent, the bytes answered, and the result (None: refused)."""

    sent: list[bytes] = field(default_factory=list)
    heard: bytes = b""
    opened: Opened | None = None


def run_opening(
    dialogue: Opening, answer: Callable[[bytes], bytes] = lambda _: b"", transcript: Transcript | None = None
) -> Transcript:
    """Run `dialogue` with a device that answers at once by `answer`; fills `transcript`. Raises NotOpenedError."""
    transcript = transcript or Transcript()
    received: bytes | None = None
    while True:
        try:
            step = next(dialogue) if received is None else dialogue.send(received)
        except StopIteration as end:
            transcript.opened = end.value
            return transcript
        transcript.sent.append(step.send)
        received = answer(step.send)
        transcript.heard += received


def run_opening_late(dialogue: Opening, answer: Callable[[bytes], bytes], late_s: float) -> Opened:
    """Run `dialogue` with a device whose answers are delayed by `late_s` seconds. Raises NotOpenedError."""
    now_s, due = 0.0, list[tuple[float, bytes]]()
    received: bytes | None = None
    while True:
        try:
            step = next(dialogue) if received is None else dialogue.send(received)
        except StopIteration as end:
            result: Opened = end.value
            return result
        due.append((now_s + late_s, answer(step.send)))
        received, until_s = b"", now_s + step.wait_s
        while due and due[0][0] <= until_s:
            now_s, data = due.pop(0)
            received += data
            if data and step.is_answer(received):
                break
        else:
            now_s = until_s
