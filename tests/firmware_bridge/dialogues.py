"""Holding a protocol's opening dialogue with a device that answers at once, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.protocols import Opened, Opening


@dataclass
class Held:
    """What a dialogue came to: all that was sent, all that was answered, and how it ended (None: refused)."""

    sent: list[bytes] = field(default_factory=list)
    heard: bytes = b""
    opened: Opened | None = None


def hold(
    dialogue: Opening, answer: Callable[[bytes], bytes] = lambda _: b"", held: Held | None = None
) -> Held:
    """Hold `dialogue` with a device whose answers `answer` gives. Raises NotOpenedError; `held` has what was before."""
    held = held or Held()
    said: bytes | None = None
    while True:
        try:
            step = next(dialogue) if said is None else dialogue.send(said)
        except StopIteration as end:
            held.opened = end.value
            return held
        held.sent.append(step.send)
        said = answer(step.send)
        held.heard += said


def hold_late(dialogue: Opening, answer: Callable[[bytes], bytes], late_s: float) -> Opened:
    """Hold `dialogue` with a device each of whose answers comes `late_s` seconds later. Raises NotOpenedError."""
    now_s, due = 0.0, list[tuple[float, bytes]]()
    said: bytes | None = None
    while True:
        try:
            step = next(dialogue) if said is None else dialogue.send(said)
        except StopIteration as end:
            ended: Opened = end.value
            return ended
        due.append((now_s + late_s, answer(step.send)))
        said, until_s = b"", now_s + step.wait_s
        while due and due[0][0] <= until_s:
            now_s, data = due.pop(0)
            said += data
            if data and step.is_answer(said):
                break
        else:
            now_s = until_s
