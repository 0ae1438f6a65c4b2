"""Run a protocol's opening dialogue with a device: send commands, wait for answers.

A device that does not answer delays each command by its own wait, no longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from firmware_bridge.protocols import Opened, Opening

READ_S = 0.1
"""Longest wait for bytes before the stop event is checked."""
ANSWER_BYTES = 16_384
"""Bytes kept of an answer, the last ones: the longest description of any firmware is 250 bytes, but frames of a bus
that is already open may precede it."""


def converse(
    dialogue: Opening,
    send: Callable[[bytes], object],
    read: Callable[[float], bytes],
    stop: threading.Event,
) -> Opened:
    """Run `dialogue` to its end or until `stop`. `read(s)` waits at most s seconds and returns b"" for nothing.

    Returns the result of the dialogue. Raises the dialogue's NotOpenedError, and any error of `read`.
    """
    answer: bytes | None = None
    while not stop.is_set():
        try:
            step = next(dialogue) if answer is None else dialogue.send(answer)
        except StopIteration as end:
            result: Opened = end.value
            return result
        send(step.send)
        answer, until_s = b"", time.monotonic() + step.wait_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            data = read(min(left_s, READ_S))
            answer = (answer + data)[-ANSWER_BYTES:]
            if data and step.is_answer(answer):
                break
    return Opened()
