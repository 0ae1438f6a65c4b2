"""Map a device's time stamps to the session's clock.

An adapter stamps each frame when it receives it; the bytes arrive later, many frames in one chunk. So the device's
counter is the better clock for the distance between frames, and the time of arrival is the only one for their
position in the session. This module combines the two. It reads no clock and knows no protocol.

Rule 1: the counter is unwrapped with the help of arrival times, to the multiple nearest to the elapsed time, so that
        wraps missed on a quiet bus do not matter. Where firmwares wrap at different values, the modulus is learned
        from the stamps and from the wraps.
Rule 2: a frame cannot arrive before it was sent. The smallest difference between arrival and counter in the last
        seconds is the offset; old differences are dropped, so the offset follows a crystal that drifts.
Rule 3: an impossible counter is replaced by arrival at once: one that falls behind (a reset) by more than a reader that
        was held up may have left the bytes waiting, or one that stands still (firmware that always sends 0).
Rule 4: times never run backwards and are never later than arrival.
"""

from __future__ import annotations

from itertools import pairwise

# Offsets are kept for twice this: a crystal 100 ppm off moves 0.4 ms in it, less than a millisecond stamp's step.
WINDOW_US = 2_000_000
# After a silence they are kept for this long, as it may be that of a reader that was held up: 0.6 ms of that crystal.
FORGET_US = 6_000_000
# A frame later than this against the best offset is not delayed in transit (USB latency timers and UART queues add tens
# of milliseconds): it has waited since the read before, or the counter has jumped.
LATE_US = 100_000
# What waited for a reader comes in several chunks with at most this between them, twice the longest pause of a reader.
BACKLOG_US = 200_000
# A counter that does not move for this long while frames arrive is not a clock; the coarsest steps are 1 ms.
STUCK_US = 20_000
# The smallest jump to report: an adapter that restarted.
JUMP_US = 1_000_000
# Another modulus must explain a wrap better by this much: far above the jitter of arrival, and far below the
# smallest relevant difference between moduli, 5.5 s.
LEARN_US = 1_000_000


class DeviceClock:
    """Maps stamps in steps of `tick_us`, which wrap at one of `moduli` (ascending), to session microseconds."""

    def __init__(self, tick_us: int, moduli: tuple[int, ...], not_before_us: int = 0) -> None:
        self._tick_us = tick_us
        self._moduli = moduli
        self._modulus = moduli[0]
        self._floor_us = not_before_us
        self._stamp: int | None = None
        self._device_us = 0
        self._arrival_us = self._emptied_us = 0
        self._waited_us = 0
        self._moved_us = 0
        self._has_moved = self._is_stuck = False
        self._window_from_us = 0
        self._best_us = 0
        self._older_us = 0
        self._jump_us: int | None = None

    @property
    def modulus(self) -> int:
        """The assumed modulus of the counter, in ticks."""
        return self._modulus

    @property
    def is_running(self) -> bool:
        """Whether the counter moves, so that the times of the newest frames are not those of their arrival."""
        return self._has_moved and not self._is_stuck

    def port_emptied(self, t_us: int) -> None:
        """Note that the port was read at `t_us`, with or without stamps: what comes next has arrived since."""
        self._emptied_us = max(self._emptied_us, t_us)

    def take_jump(self) -> int | None:
        """The counter's jump against the session's clock since the last call, in microseconds; None without one."""
        jump_us, self._jump_us = self._jump_us, None
        return jump_us

    def session_us(self, stamps: list[int], arrival_us: int) -> list[int]:
        """The session time of each stamp in a chunk that arrived at `arrival_us`."""
        if not stamps:
            return []
        tick_us, first, last = self._tick_us, stamps[0], stamps[-1]
        in_order = stamps == sorted(stamps)
        if (largest := last if in_order else max(stamps)) >= self._modulus:
            self._modulus = next((m for m in self._moduli if m > largest), self._moduli[-1])
        in_order = in_order and last - first < self._modulus // 2
        if self._stamp is None:
            start_us = first * tick_us
        else:
            passed = (arrival_us - self._arrival_us) // tick_us
            start_us = self._device_us + tick_us * self._ticks(self._stamp, first, passed)
        if in_order:
            end_us = start_us + (last - first) * tick_us
            device_us: list[int] = []
        else:
            device_us = self._unwrapped(stamps, start_us)
            end_us = device_us[-1]
        offset_us = self._offset(last, end_us, arrival_us)
        self._stamp, self._device_us = last, end_us
        self._arrival_us = self._emptied_us = arrival_us
        shift_us = start_us - first * tick_us + offset_us
        floor_us = self._floor_us
        if not in_order:
            times_us = self._bounded(device_us, offset_us, floor_us, arrival_us)
        elif start_us + offset_us < floor_us:
            times_us = [max(stamp * tick_us + shift_us, floor_us) for stamp in stamps]
        elif last - first < len(stamps) // 2:  # several frames per tick: a table is faster
            ticks = range(first, last + 1)
            table = {stamp: stamp * tick_us + shift_us for stamp in ticks}
            times_us = list(map(table.__getitem__, stamps))
        else:
            times_us = [stamp * tick_us + shift_us for stamp in stamps]
        self._floor_us = times_us[-1]
        return times_us

    def _ticks(self, before: int, stamp: int, expected: int) -> int:
        """Ticks from one stamp to the next, near `expected`; learns the modulus from a wrap."""
        ticks = _nearest(stamp - before, self._modulus, expected)
        margin = LEARN_US // self._tick_us
        if abs(ticks - expected) > margin and 2 * expected < 3 * self._moduli[0]:
            for modulus in self._moduli:
                other = _nearest(stamp - before, modulus, expected)
                if abs(other - expected) + margin < abs(ticks - expected) and stamp < modulus:
                    self._modulus, ticks = modulus, other
        return ticks

    def _unwrapped(self, stamps: list[int], start_us: int) -> list[int]:
        """Unwrap a chunk with a wrap, a jump or disorder, stamp by stamp."""
        device_us = [start_us]
        for before, stamp in pairwise(stamps):
            device_us.append(device_us[-1] + self._tick_us * self._ticks(before, stamp, 0))
        return device_us

    def _offset(self, last: int, end_us: int, arrival_us: int) -> int:
        """The offset to add to device time: the smallest recent difference of arrival minus device time."""
        lead_us = arrival_us - end_us
        known_us = min(self._best_us, self._older_us)
        is_first = self._stamp is None
        is_late = not is_first and self._is_late(lead_us - known_us, arrival_us - self._emptied_us)
        if last != self._stamp:
            self._moved_us = arrival_us
            self._has_moved = not is_first
            if not is_first and (is_late or lead_us < known_us) and abs(lead_us - known_us) > JUMP_US:
                self._jump_us = known_us - lead_us
        # A frame with the stamp of the one before it may have waited since the last read.
        since_us = self._emptied_us if self._has_moved else arrival_us
        self._is_stuck = since_us - self._moved_us > STUCK_US
        age_us = arrival_us - self._window_from_us
        if is_first or self._is_stuck or is_late or age_us > FORGET_US:
            self._older_us = self._best_us = lead_us
            self._window_from_us = arrival_us
        elif age_us > WINDOW_US:
            self._older_us, self._best_us = self._best_us, lead_us
            self._window_from_us = arrival_us
        elif lead_us < self._best_us:
            self._best_us = lead_us
        return min(self._best_us, self._older_us)

    def _is_late(self, delay_us: int, since_us: int) -> bool:
        """Whether a chunk, `since_us` after the read before, is later than its bytes can have waited for a reader."""
        waited_us = since_us if since_us > BACKLOG_US else since_us + self._waited_us
        is_late = delay_us > LATE_US + waited_us
        self._waited_us = waited_us if delay_us > LATE_US and not is_late else 0
        return is_late

    @staticmethod
    def _bounded(device_us: list[int], offset_us: int, floor_us: int, arrival_us: int) -> list[int]:
        times_us = []
        for at_us in device_us:
            floor_us = max(floor_us, min(at_us + offset_us, arrival_us))
            times_us.append(floor_us)
        return times_us


def _nearest(difference: int, modulus: int, expected: int) -> int:
    """The value congruent to `difference` that is nearest to `expected`."""
    return difference + modulus * round((expected - difference) / modulus)
