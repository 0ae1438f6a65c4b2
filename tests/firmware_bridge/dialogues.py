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
