"""Fuzz targets for bytes from ports: every decoder, GPS fixes, engine values and candump text.

One decoder gets all inputs, as in a rally. Its buffers stay bounded, its times never exceed the arrival time, and
valid frames after damage are decoded.
"""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from firmware_bridge.engine import dbc
from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.obd2_poller import Poller
from firmware_bridge.engine.readings import EngineDecoder
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import nav_pvt, nmea, protocol, ubx
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, FD_FLAG, RTR_FLAG, CanFrame, Fix, Sentence
from logger.replay.canlogs import Decoder
from logger.replay.canlogs.candump import Candump

Check = Callable[[bytes], None]
MAX_HELD = 1 << 16
"""Limit of bytes and items in a decoder: a chunk from the port and a frame, with a margin."""
_PROBE_EVERY = 64
_PROBES = 16
"""Valid frames after damage: more than the longest length in a damaged header can swallow."""
CAN_PROTOCOLS = ("slcan", "gvret", "realdash", "canserial", "elm327", "socketcan")
NMEA = (
    b"$GPRMC,120000.00,A,4807.03811,N,01131.00012,E,022.4,084.4,150126,003.1,W*68\r\n",
    b"$GPGGA,120000.00,4807.03811,N,01131.00012,E,1,08,0.9,545.4,M,46.9,M,,*6E\r\n",
    b"$GNGNS,120001.00,4807.03811,N,01131.00012,E,AAN,12,0.8,545.4,46.9,,*55\r\n",
    b"$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39\r\n",
    b"$GPVTG,084.4,T,077.8,M,022.4,N,041.5,K*43\r\n",
    b"$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n",
    b"$GPZDA,201530.00,04,07,2026,00,00*68\r\n",
    ubx.encode(ubx.NAV_PVT, nav_pvt.build(year=2026, month=1, day=15, hour=12, valid=7, fix_type=3, flags=1)),
    ubx.encode(b"\x01\x35", bytes(range(200))),
)


def valid_frames(name: str) -> list[CanFrame]:
    """Valid frames of every kind that a protocol can carry."""
    frames = [CanFrame(0, 0, 0x100 + n, bytes(range(n, n + 8))) for n in range(8)]
    frames += [CanFrame(0, 0, 0x18DA_F110 + n | EFF_FLAG, bytes(8)) for n in range(4)]
    if name in ("slcan", "gvret", "socketcan"):
        frames += [CanFrame(0, 0, 0x200 | FD_FLAG, bytes(range(64)))]
    if name in ("slcan", "socketcan"):
        frames += [
            CanFrame(0, 0, 0x201 | FD_FLAG | BRS_FLAG, bytes(12)),
            CanFrame(0, 0, 0x202 | RTR_FLAG, bytes(4)),
        ]
    return frames


def reported(name: str) -> list[bytes]:
    """The valid frames as an adapter sends them."""
    report = protocol(name).report
    assert report is not None
    return [report(frame) for frame in valid_frames(name)]


def decoder_seeds(name: str) -> list[bytes]:
    """Streams of an adapter, and its answers to commands."""
    pieces = reported(name)
    answers = [
        b"\r",
        b"\a",
        b"V1013\r",
        b"N1234\r",
        b"F00\r",
        b"z\rZ\r",
        b"\xf1\x06" + bytes(10),
        b"\xf1\x01abcd",
    ]
    return [b"".join(pieces), b"".join(reversed(pieces)), *pieces, *answers]


def decoder(name: str) -> Check:
    """Feed a CAN protocol's decoder."""
    fuzzed = protocol(name).decoder(16)
    probe, expected = b"".join(reported(name)[:1] * _PROBES), valid_frames(name)[0]
    state = {"t_us": 0, "count": 0, "newest": 0}

    def feed(data: bytes) -> list[CanFrame]:
        state["t_us"] += 1000
        batch = fuzzed.feed(data, state["t_us"])
        for frame in batch.frames:
            assert state["newest"] <= frame.t_us <= state["t_us"], f"time {frame.t_us} at {state['t_us']}"
            assert len(frame.data) <= 64
            assert 16 <= frame.bus < 32
            state["newest"] = frame.t_us
        assert sum(len(rejected.data) for rejected in batch.rejected) <= MAX_HELD + len(data)
        return list(batch.frames)

    def check(data: bytes) -> None:
        middle = len(data) // 3
        feed(data[:middle])
        feed(data[middle:])
        state["count"] += 1
        if state["count"] % _PROBE_EVERY == 0:
            decoded = feed(probe)
            assert decoded, "valid frames are no longer decoded"
            assert (decoded[-1].can_id, decoded[-1].data) == (expected.can_id, expected.data)
            assert held(fuzzed) < MAX_HELD, f"it holds {held(fuzzed)}"

    return check


def positions(fixes: Sequence[Fix]) -> None:
    """Assert that every fix has a valid position or none, and never (0, 0)."""
    for fix in fixes:
        if fix.lat is None or fix.lon is None:
            assert (fix.lat, fix.lon, fix.speed_mps) == (None, None, None)
            continue
        assert abs(fix.lat) <= 90
        assert abs(fix.lon) <= 180
        assert (fix.lat, fix.lon) != (0.0, 0.0)
        assert all(value is None or math.isfinite(value) for value in (fix.alt_m, fix.speed_mps, fix.hdop))
        assert fix.course_deg is None or 0 <= fix.course_deg <= 360


def receiver() -> Check:
    """Feed NMEA from bytes to fixes, and each line again as a sentence with a valid checksum."""
    decoder, builder = nmea.Decoder(), FixBuilder()
    state = {"t_us": 0}

    def check(data: bytes) -> None:
        state["t_us"] += 50_000
        sentences = list(decoder.feed(data, state["t_us"]).sentences)
        for line in data.splitlines()[:20]:
            body = line.lstrip(b"$").partition(b"*")[0][:75].decode("latin-1")
            total = 0
            for letter in body.encode("latin-1"):
                total ^= letter
            sentences.append(Sentence(state["t_us"], f"${body}*{total:02X}"))
        for sentence in sentences:
            positions(builder.feed(sentence))
        positions(builder.tick(state["t_us"] + 10_000))
        builder.take_notices()
        assert held(decoder) < MAX_HELD
        assert held(builder) < MAX_HELD

    return check


def engine_decoders() -> list[EngineDecoder]:
    """OBD-II, and the DBC of the virtual engine."""
    text = (importlib.resources.files("firmware_bridge.virtual") / "demo_engine.dbc").read_text()
    return [Obd2Decoder(), dbc.load(text, "demo_engine.dbc")]


def engine() -> Check:
    """Feed frames with any identifier that an engine decoder reads."""
    decoders, poller = engine_decoders(), Poller()
    ids = sorted({can_id for one in decoders for can_id in one.ids})
    state = {"t_us": 0}

    def check(data: bytes) -> None:
        state["t_us"] += 20_000
        can_id, content = ids[(data[0] if data else 0) % len(ids)], data[1:65]
        for one in decoders:
            for reading in one.decode(state["t_us"], can_id, content):
                assert isinstance(reading.value, float | int)
        poller.feed([CanFrame(state["t_us"], 0, can_id, content)])
        assert len(poller.due(state["t_us"])) < 100
        assert held(poller) < MAX_HELD

    return check


def candump_lines() -> Check:
    """Feed candump text as `replay` reads it."""

    def check(data: bytes) -> None:
        decoder = Decoder(Candump())
        for line in data.splitlines(keepends=True):
            decoder.reads(line)
            for frame in decoder.feed(line, 1000).frames:
                assert len(frame.data) <= 64

    return check


def held(value: Any, depth: int = 4) -> int:
    """Number of bytes and items in an object and its parts."""
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        inside = value.values() if isinstance(value, dict) else value
        return len(value) + (sum(held(item, depth - 1) for item in inside) if depth else 0)
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    return sum(held(getattr(value, name, None), depth - 1) for name in names) if depth else 0


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[], Check]]] = {
    **{name: (partial(decoder_seeds, name), partial(decoder, name)) for name in CAN_PROTOCOLS},
    "nmea": (lambda: [*NMEA, b"".join(NMEA)], receiver),
    "engine": (
        lambda: [bytes([n]) + bytes((3, 0x41, pid, 1, 2, 3, 4, 5)) for n, pid in enumerate((0, 12, 13, 5))],
        engine,
    ),
    "candump": (
        lambda: [
            b"(1436509052.249713) vcan0 044#2A366C2BBA\n(1436509052.449847) vcan0 0F6#7ADFE07BD2\n",
            b"(0000000000.000000) can1 18DAF110##1112233\n(1.5) can0 123#R8\n",
        ],
        candump_lines,
    ),
}
