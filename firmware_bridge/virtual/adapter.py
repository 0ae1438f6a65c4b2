"""Simulated CAN adapter on the virtual car's engine bus.

Sans-I/O: `feed` takes the host's bytes with their time and returns answers; `bytes_between` returns the reports of an
interval, nothing until the host has opened the adapter. Requests that the host transmits reach the engine
computer, whose answers are on the bus a few milliseconds later, among the other frames.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual import wire
from firmware_bridge.virtual.dialogue import DIALOGUES, Dialogue
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.obd import EngineComputer
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from firmware_bridge.virtual.traffic import Frames, Traffic
from firmware_bridge.virtual.wire import Reports

AHEAD_S = 1.0
"""Reports are computed for this much drive in advance and delivered in pieces."""
MAX_PENDING = 64
"""Bound on pending answers; a host sends one request at a time, so this many is a fault of the host."""


class CanAdapter:
    """An adapter that speaks `protocol`; for SLCAN, `dialect` selects one of the real firmwares.

    Times are seconds of the drive, which is also the device's clock.
    """

    def __init__(
        self, engine: Engine, traffic: Traffic, protocol: str = "slcan", dialect: str = "lawicel"
    ) -> None:
        if protocol not in wire.REPORTS:
            raise ConfigurationError(
                f'no virtual adapter speaks "{protocol}"', hint=f"one of {', '.join(wire.REPORTS)}"
            )
        if dialect not in DIALECTS:
            raise ConfigurationError(f'no SLCAN dialect "{dialect}"', hint=f"one of {', '.join(DIALECTS)}")
        self.protocol = protocol
        self._traffic, self._computer = traffic, EngineComputer(engine)
        self._make: Callable[[], Dialogue] = DIALECTS[dialect] if protocol == "slcan" else DIALOGUES[protocol]
        self._been_normal = False
        self._dialogue = self._make()
        self.restart()

    def restart(self) -> None:
        """Power-up: closed again, nothing pending."""
        self._been_normal = self.been_normal
        self._dialogue = self._make()
        self._pending: list[CanFrame] = []
        self._ahead: tuple[float, list[float], Reports] = (0.0, [], Reports(b"", []))
        self._spelling: object = None

    @property
    def is_open(self) -> bool:
        """Whether the host has opened it."""
        return self._dialogue.is_open

    @property
    def been_normal(self) -> bool:
        """Whether it has ever acknowledged frames on the bus, including before a restart."""
        return self._been_normal or self._dialogue.been_normal

    def feed(self, data: bytes, t_s: float) -> bytes:
        """Take the host's bytes at `t_s`; return the immediate answer."""
        reply = self._dialogue.feed(data, round(t_s * 1e6))
        for frame in reply.transmit:
            self._pending += self._computer.answer(frame, t_s)[: MAX_PENDING - len(self._pending)]
        return reply.answer

    def bytes_between(self, t0_s: float, t1_s: float) -> bytes:
        """Return the reports of t0_s <= t < t1_s, including the engine computer's answers; nothing while closed."""
        due = [frame for frame in self._pending if frame.t_us < t1_s * 1e6]
        self._pending = self._pending[len(due) :]
        if not self._dialogue.is_reporting:
            return b""
        pieces = []
        from_s = t0_s
        for frame in due:
            at_s = max(from_s, frame.t_us / 1e6)
            pieces += [
                self._reported(from_s, at_s),
                self.report(_alone(frame._replace(t_us=round(at_s * 1e6)))).data,
            ]
            from_s = at_s
        return b"".join((*pieces, self._reported(from_s, t1_s)))

    def report(self, frames: Frames) -> Reports:
        """Return frames as this adapter currently reports them."""
        if isinstance(self._dialogue, SlcanDialogue):
            says = self._dialogue
            return wire.slcan(frames, stamped=says.is_stamping, wrap_ms=says.wrap_ms, lower=says.lower)
        return wire.REPORTS[self.protocol](frames)

    def _reported(self, t0_s: float, t1_s: float) -> bytes:
        pieces = []
        while t0_s < t1_s:
            end_s, times, reports = self._made_ahead(t0_s)
            first, last = bisect_left(times, t0_s), bisect_left(times, min(t1_s, end_s))
            ends = (0, *reports.ends)
            pieces.append(reports.data[ends[first] : ends[last]])
            t0_s = end_s
        return b"".join(pieces)

    def _made_ahead(self, t_s: float) -> tuple[float, list[float], Reports]:
        """Return cached reports of an interval around `t_s`; recompute them after it, or if the format changes."""
        spelling = self._dialogue.is_stamping if isinstance(self._dialogue, SlcanDialogue) else None
        end_s, times, _ = self._ahead
        if not end_s - AHEAD_S <= t_s < end_s or spelling != self._spelling:
            frames = self._traffic.between(t_s, t_s + AHEAD_S)
            times = frames.t_s.tolist()
            self._ahead, self._spelling = (t_s + AHEAD_S, times, self.report(frames)), spelling
        return self._ahead


def _alone(frame: CanFrame) -> Frames:
    data = np.frombuffer(frame.data.ljust(8, b"\x00"), np.uint8).reshape(1, 8)
    return Frames(np.array([frame.t_us / 1e6]), np.array([frame.can_id]), np.array([len(frame.data)]), data)
