"""Generate a virtual car's bytes faster than real time, in chunks as from ports.

Uses no clock and no port: each chunk has the time at which it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from firmware_bridge.virtual import wire
from firmware_bridge.virtual.drive import Drive, Floats
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from firmware_bridge.virtual.traffic import Traffic

CAN_CHUNK_S = 0.1
"""Drive time per chunk of the adapter's bytes. The adapter's timestamps give the time of each frame in a chunk."""
GENERATED_S = 60.0
"""Drive time computed at once, unless limited by GENERATED_FRAMES, which bounds memory on a busy bus."""
GENERATED_FRAMES = 20_000
TRANSPORT_S = 0.001
"""From the last frame of a chunk to its arrival."""
CHUNK_LEAD_S = 0.002
"""A chunk ends this long before a whole tenth of a second, so that it arrives within the tick of its frames."""


def simulate_bytes(
    drive: Drive,
    gps_hz: int = 5,
    can_rate: float = 100.0,
    t0_s: float = 0.0,
    t1_s: float | None = None,
    *,
    receiver: GpsReceiver | None = None,
    engine: Engine | None = None,
    cold_start_s: float = 35.0,
) -> Iterator[tuple[str, int, bytes]]:
    """Yield (port, t_us, bytes) from t0_s to t1_s of the drive (default: its end); t_us counts from t_s = 0.

    Port "gps" speaks NMEA, one chunk per epoch; port "engine" speaks SLCAN with Z1 timestamps. A `can_rate` of 0 is
    a car without an adapter. `receiver` and `engine` replace the default ones; noise is derived from the drive.
    """
    end_s = drive.end_s if t1_s is None else min(t1_s, drive.end_s)
    if receiver is None:
        receiver = GpsReceiver(drive, gps_hz, seed=drive.utc_s, cold_start_s=cold_start_s)
    epochs = receiver.bytes_between(t0_s, end_s)
    chunks = _can_chunks(engine or Engine(drive), can_rate, t0_s, end_s) if can_rate > 0 else iter(())
    can = next(chunks, None)
    for epoch in epochs:
        t_us = int(epoch.t_s * 1e6)
        while can is not None and can[1] <= t_us:
            yield can
            can = next(chunks, None)
        yield "gps", t_us, epoch.data
    if can is not None:
        yield can
        yield from chunks


def _can_chunks(engine: Engine, rate: float, t0_s: float, t1_s: float) -> Iterator[tuple[str, int, bytes]]:
    traffic = Traffic(engine, rate=rate)
    stride_s = max(CAN_CHUNK_S, min(GENERATED_S, GENERATED_FRAMES / rate // CAN_CHUNK_S * CAN_CHUNK_S))
    from_s = t0_s
    while from_s < t1_s:
        to_s = min(from_s + stride_s, t1_s)
        frames = traffic.between(from_s, to_s)
        data, ends = wire.slcan(frames)
        sent = 0
        for last in _chunk_lasts(frames.t_s):
            yield "engine", int((frames.t_s[last] + TRANSPORT_S) * 1e6), data[sent : ends[last]]
            sent = ends[last]
        from_s = to_s


def _chunk_lasts(t_s: Floats) -> list[int]:
    """Return the indices of the last frame of each chunk, for frames with these times."""
    if not t_s.size:
        return []
    chunks = np.floor((t_s + CHUNK_LEAD_S) / CAN_CHUNK_S)
    return [*np.flatnonzero(np.diff(chunks)).tolist(), t_s.size - 1]
