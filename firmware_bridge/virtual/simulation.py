"""A virtual car's bytes at full speed, in order of time: what a recorder's ports would have delivered.

No clock and no port: chunks as a reader hands them on, each with the time it arrived.
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
"""The adapter's bytes come in chunks of so much drive. Its stamps tell the frames of a chunk apart."""
GENERATED_S = 60.0
"""So much drive is computed at once, as far as the frames of a busy bus fit in memory."""
GENERATED_FRAMES = 20_000
TRANSPORT_S = 0.001
"""From the last frame of a chunk to its arrival."""
CHUNK_LEAD_S = 0.002
"""A chunk ends so much before a whole tenth, and so is there for the beat to which its frames belong."""


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
    """(port, t_us, bytes) from t0_s to t1_s of the drive (its end by default); t_us counts from t_s = 0.

    Port "gps" speaks NMEA, a chunk an epoch; port "engine" speaks SLCAN with Z1 stamps. A `can_rate` of 0 is
    a car without an adapter. `receiver` and `engine` replace the usual ones; noise follows from the drive.
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
    """Which frames are the last of the chunks in which frames of these times travel."""
    if not t_s.size:
        return []
    chunks = np.floor((t_s + CHUNK_LEAD_S) / CAN_CHUNK_S)
    return [*np.flatnonzero(np.diff(chunks)).tolist(), t_s.size - 1]
