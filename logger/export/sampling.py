"""Resample columns of values onto regular grids, into a spool on disk: channels of any length in constant memory.

A grid sample holds the newest value at or before its moment, as the crew saw it; before the first value it holds the
first one. The values of all channels come mixed, in order of time, and a file that stores one channel after the other
needs each of them whole: the spool keeps pieces of all channels and returns a channel's pieces in order. A value that
holds for long is one piece, whatever its length.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from logger.logfile.blocks import Numbers
from logger.logfile.selection import Integers

SAMPLE_BYTES = 4
_BUFFERED_BYTES = 16 * 2**20
"""For all channels together, before they go to the disk."""
_RUN_SAMPLES = 16_384
"""A longer stretch of one value is kept as a run, not as samples."""
_BLOCK_SAMPLES = 8 * _RUN_SAMPLES
"""More samples than this from one block of rows, which has gaps then, are not made at once."""


class Spool:
    """Pieces of many channels in one temporary file. `total_bytes` is the size of all channels."""

    def __init__(self, max_bytes: int) -> None:
        """Hold up to `max_bytes` in total. The caller closes the spool."""
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._max_bytes = max_bytes
        self._channels: list[_Pieces] = []
        self._buffered_bytes = 0
        self.total_bytes = 0

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def channel(self) -> int:
        """A new, empty channel."""
        self._channels.append(_Pieces())
        return len(self._channels) - 1

    def append(self, channel: int, samples: bytes) -> None:
        """Append samples to a channel. Raises LogError if the total becomes too large, OSError."""
        self._count(len(samples))
        self._channels[channel].buffer += samples
        self._buffered_bytes += len(samples)
        if self._buffered_bytes >= _BUFFERED_BYTES:
            self._flush()

    def append_run(self, channel: int, sample: bytes, count: int) -> None:
        """Append one sample `count` times. Raises as `append`."""
        if count <= _RUN_SAMPLES:
            self.append(channel, sample * count)
            return
        self._count(len(sample) * count)
        pieces = self._channels[channel]
        self._store(pieces)
        pieces.add(count, int.from_bytes(sample, "little"), is_run=True)

    def pieces(self, channel: int) -> Iterator[bytes]:
        """The samples of a channel, in pieces."""
        self._store(self._channels[channel])
        for size, at, is_run in self._channels[channel].stored():
            if is_run:
                tile = at.to_bytes(SAMPLE_BYTES, "little") * min(size, _RUN_SAMPLES)
                for _ in range(size // _RUN_SAMPLES):
                    yield tile
                yield tile[: size % _RUN_SAMPLES * SAMPLE_BYTES]
            else:
                self._file.seek(at)
                yield self._file.read(size)

    def _count(self, more_bytes: int) -> None:
        self.total_bytes += more_bytes
        if self.total_bytes > self._max_bytes:
            raise LogError(
                f"its channels take more than the {self._max_bytes / 1e6:,.0f} MB that this format can hold",
                hint="export a part of it, with --section or --from and --to",
            )

    def _flush(self) -> None:
        for pieces in self._channels:
            self._store(pieces)
        self._buffered_bytes = 0

    def _store(self, pieces: _Pieces) -> None:
        if pieces.buffer:
            at = self._file.seek(0, 2)
            self._file.write(pieces.buffer)
            pieces.add(len(pieces.buffer), at, is_run=False)
            self._buffered_bytes -= len(pieces.buffer)
            pieces.buffer = bytearray()


class _Pieces:
    """One channel: what is not yet on the disk, and where the rest is. A run has its count and its sample."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._sizes, self._places, self._runs = array("q"), array("q"), bytearray()

    def add(self, size: int, at: int, *, is_run: bool) -> None:
        self._sizes.append(size)
        self._places.append(at)
        self._runs.append(is_run)

    def stored(self) -> Iterator[tuple[int, int, int]]:
        return zip(self._sizes, self._places, self._runs, strict=True)


class Series:
    """One channel on its grid of `rate_hz` from `start_us`. `count` samples are complete."""

    def __init__(
        self, spool: Spool, start_us: int, rate_hz: int, dtype: str = "<f4", per_unit: float = 1.0
    ) -> None:
        """A sample is the value times `per_unit`, as `dtype`."""
        self._spool = spool
        self.channel = spool.channel()
        self.rate_hz = rate_hz
        self.count = 0
        self._start_us = start_us
        self._dtype = np.dtype(dtype)
        self._per_unit = per_unit
        self._held: NDArray[np.generic] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no value at all."""
        return self._held is None

    def feed(self, at_us: Integers, values: Numbers, slack_us: int = 0) -> None:
        """Add values, in order of time; values that are not finite are left out. A late value has the next sample.

        A value up to `slack_us` after a sample's moment still counts for it.
        """
        known = np.isfinite(values)
        if not known.all():
            at_us, values = at_us[known], values[known]
        if not len(values):
            return
        samples = self._samples(values)
        first = -(
            -(at_us - slack_us - self._start_us) * self.rate_hz // 1_000_000
        )  # first sample of each value
        first = np.maximum.accumulate(np.maximum(first, self.count))
        held = samples[:1] if self._held is None else self._held
        counts = np.diff(first, prepend=self.count)
        self._put(np.concatenate([held, samples[:-1]]), counts)
        self._held = samples[-1:]
        self.count = int(first[-1])

    def extend(self, count: int) -> None:
        """Hold the last value until there are `count` samples."""
        if self._held is not None and count > self.count:
            self._spool.append_run(self.channel, self._held.tobytes(), count - self.count)
            self.count = count

    def _samples(self, values: Numbers) -> NDArray[np.generic]:
        scaled = values if self._per_unit == 1.0 else np.rint(values * self._per_unit)
        limits = np.finfo(self._dtype) if self._dtype.kind == "f" else np.iinfo(self._dtype)
        return np.clip(scaled, limits.min, limits.max).astype(self._dtype)

    def _put(self, samples: NDArray[np.generic], counts: Integers) -> None:
        """Write each sample as often as its count says."""
        if counts.sum() <= _BLOCK_SAMPLES:
            self._spool.append(self.channel, np.repeat(samples, counts).tobytes())
            return
        for at in np.flatnonzero(counts):
            self._spool.append_run(self.channel, samples[at : at + 1].tobytes(), int(counts[at]))


def nominal_hz(at_us: Integers, max_hz: int) -> int:
    """The whole rate nearest to that of the moments, from 1 to `max_hz`: by the median of their distances."""
    apart_us = np.diff(np.unique(at_us))
    return max(1, min(max_hz, round(1e6 / float(np.median(apart_us))))) if len(apart_us) else 1
