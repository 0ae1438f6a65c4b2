"""Search for a port's baud rate by trials of all its usual rates.

Knows no thread; the port is behind the function that reads at a rate. Quick trials come first, because most devices
send only their protocol. If bytes arrived at every rate and match no known protocol, sentences may be far apart among
them. Then patient trials follow, first at the rates with bytes that looked like messages.
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
"""Rate and received bytes of each failed trial."""


class FoundRate(NamedTuple):
    """The working rate, and all chunks read at it."""

    baud: int
    chunks: list[Chunk]


class RateSearch:
    """`reads_at` sets a rate, opens the device and yields chunks; an empty chunk means that a wait is over. `report`
    takes a state and a detail during the search."""

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

    def find(self, bauds: Sequence[int], stop: threading.Event, doubt: Callable[[], str]) -> FoundRate | None:
        """The working rate; None on `stop`. Raises PortError if no rate works, NotOpenedError if an adapter refused.

        At a wrong rate a refusal may be noise, so it ends only the trial of that rate. `doubt` returns why an adapter
        may not have opened.
        """
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
    ) -> FoundRate | Samples | None:
        """The working rate, or the samples of all rates; None on `stop`."""
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
                return FoundRate(baud, chunks)
            if stop.is_set():
                return None
            samples.append((baud, trial.sample))
        return samples
