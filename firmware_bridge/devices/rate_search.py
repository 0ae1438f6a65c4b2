"""One search through a port's baud rates, which ends at the one that holds.

Knows no thread; the port is behind the function that reads at a rate. The idea: quick trials first, for most devices
speak nothing but their protocol. Where bytes came at every rate and are of no protocol known here, sentences may stand
far apart among them: patient trials follow, those first at which something looked like a message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from firmware_bridge.devices.baud_trial import RateTrial, marks
from firmware_bridge.devices.link_health import Expected, mismatch, silence
from firmware_bridge.errors import NotOpenedError, PortError
from firmware_bridge.protocols import Protocol

if TYPE_CHECKING:
    from firmware_bridge.devices.link import Chunk

Samples = list[tuple[int, bytes]]
"""What was heard at each rate."""


class Found(NamedTuple):
    """The rate that holds, and everything that was read at it."""

    baud: int
    chunks: list[Chunk]


class RateSearch:
    """`reads_at` sets a rate, opens the device and yields what arrives; an empty chunk says that a wait is over.
    `report` takes a state and a detail while the search goes on."""

    def __init__(
        self,
        protocol: Protocol,
        expected: Expected,
        clock_us: Callable[[], int],
        reads_at: Callable[[int], Iterator[Chunk]],
        report: Callable[[str, str], None],
    ) -> None:
        self._protocol, self._expected = protocol, expected
        self._clock_us, self._reads_at, self._report = clock_us, reads_at, report
        self._refusal: NotOpenedError | None = None

    def find(self, bauds: Sequence[int], stop: threading.Event, doubt: Callable[[], str]) -> Found | None:
        """None when it is time to stop. PortError when all rates were tried in vain; NotOpenedError when an adapter
        refused, which at a wrong rate may be noise, so that it ends only the trial of its rate. `doubt` is why it is
        not known whether an adapter opened."""
        tried = self._try(bauds, stop, is_patient=False)
        if isinstance(tried, list) and self._protocol.is_mixed and self._is_unknown(tried):
            self._report(
                "opening", "bytes arrive but no NMEA checksum holds yet: listening longer at each rate"
            )
            likely = sorted(tried, key=lambda sample: -marks(sample[1]))
            tried = self._try([baud for baud, _ in likely], stop, is_patient=True)
        if not isinstance(tried, list):
            return tried
        if self._refusal is not None:
            raise self._refusal
        if any(sample for _, sample in tried):
            raise PortError(*mismatch(self._expected, tried))
        raise PortError(*silence(bauds), hint=doubt())

    def _is_unknown(self, samples: Samples) -> bool:
        has_bytes = any(sample for _, sample in samples)
        return has_bytes and mismatch(self._expected, samples).state == "wrong_baud"

    def _try(
        self, bauds: Sequence[int], stop: threading.Event, *, is_patient: bool
    ) -> Found | Samples | None:
        """The rate that holds, or what was heard at each; None when it is time to stop."""
        samples: Samples = []
        for baud in bauds:
            try:
                reads = self._reads_at(baud)
            except NotOpenedError as error:
                self._refusal = self._refusal or error
                continue
            is_mixed, began_us = self._protocol.is_mixed, self._clock_us()
            trial = RateTrial(self._protocol.decoder(0), began_us, is_mixed=is_mixed, is_patient=is_patient)
            chunks = []
            for chunk in reads:
                chunks.append(chunk)
                trial.feed(chunk.data, chunk.t_us)
                if trial.verdict(chunk.t_us) is not None:
                    break
            if trial.holds:
                return Found(baud, chunks)
            if stop.is_set():
                return None
            samples.append((baud, trial.sample))
        return samples
