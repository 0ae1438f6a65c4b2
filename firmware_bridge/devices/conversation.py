"""Holding a protocol's dialogue with the device behind an open link: commands out, answers in, and the waiting.

A device that does not answer costs each command's own wait and nothing more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from firmware_bridge.protocols import Opened, Opening

READ_S = 0.1
"""Longest wait for bytes before the stop event is looked at."""
ANSWER_BYTES = 16_384
"""Most of an answer that is looked at: the longest description of any firmware is 250 bytes, and frames of a bus that
is open already may come before it."""


def converse(
    dialogue: Opening,
    send: Callable[[bytes], object],
    read: Callable[[float], bytes],
    stop: threading.Event,
) -> Opened:
    """Hold `dialogue` until its end or `stop`. `read` waits at most so many seconds, and returns b"" for nothing.

    Returns how the dialogue ended. Raises NotOpenedError of the dialogue, and what `read` raises.
    """
    answer: bytes | None = None
    while not stop.is_set():
        try:
            step = next(dialogue) if answer is None else dialogue.send(answer)
        except StopIteration as end:
            ended: Opened = end.value
            return ended
        send(step.send)
        answer, until_s = b"", time.monotonic() + step.wait_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            data = read(min(left_s, READ_S))
            answer = (answer + data)[-ANSWER_BYTES:]
            if data and step.is_answer(answer):
                break
    return Opened()
