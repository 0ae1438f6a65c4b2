"""Virtual CAN traffic: cantools decodes it; all encoders give the same bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cantools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import protocol
from firmware_bridge.protocols.slcan import report as slcan_report
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK
from firmware_bridge.virtual import wire
from firmware_bridge.virtual.engine import Engine, EngineStates
from firmware_bridge.virtual.traffic import DEMO_DBC, Frames, Traffic, packed
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import lively

ENGINE = Engine(lively())
DATABASE = cantools.database.can.Database()
DATABASE.add_dbc_string(DEMO_DBC)

FRAME = st.tuples(
    st.one_of(st.integers(0, 0x7FF), st.integers(0, 0x1FFF_FFFF).map(lambda number: number | EFF_FLAG)),
    st.binary(max_size=8),
    st.integers(0, 90_000_000_000),
)


def decoded(message: cantools.database.can.Message, data: bytes) -> dict[str, Any]:
    values = message.decode(data)
    assert isinstance(values, dict)
    return values


def frames_of(drawn: list[tuple[int, bytes, int]]) -> Frames:
    data = np.frombuffer(b"".join(data.ljust(8, b"\0") for _, data, _ in drawn), np.uint8).reshape(-1, 8)
    return Frames(
        np.array([t_us / 1e6 for _, _, t_us in drawn]),
        np.array([can_id for can_id, _, _ in drawn]),
        np.array([len(data) for _, data, _ in drawn]),
        data,
    )


def test_cantools_reads_the_engine_state() -> None:
    frames = Traffic(ENGINE, rate=200.0).between(100.0, 110.0)
    seen = set()
    for frame in frames.records():
        if frame.can_id not in {message.frame_id for message in DATABASE.messages}:
            continue
        truth = ENGINE.sample(np.array([frame.t_us / 1e6]))
        message = DATABASE.get_message_by_frame_id(frame.can_id)
        seen.add(message.name)
        for name, value in decoded(message, frame.data).items():
            scale = message.get_signal_by_name(name).scale
            assert abs(value - getattr(truth, name)[0]) <= scale / 2 + 1e-6, name
    assert seen == {"ENGINE_DATA", "BATTERY", "WHEELS"}


SIGNALS = """VERSION ""
NS_ :
BS_:
BU_: A
BO_ 5 ALL: 8 A
 SG_ rpm : 3|13@1+ (0.5,-100) [0|0] "" A
 SG_ gear : 17|3@1- (1,0) [0|0] "" A
 SG_ battery_v : 31|12@0- (0.1,-3) [0|0] "" A
 SG_ wheel_kmh : 41|10@0+ (0.25,0) [0|0] "" A
 SG_ nobody_knows : 56|8@1+ (1,0) [0|0] "" A
"""


@examples(40)
@given(
    st.lists(
        st.tuples(st.integers(0, 8191), st.integers(-4, 3), st.integers(-2048, 2047), st.integers(0, 1023))
    )
)
def test_packing_equals_cantools(raws: list[tuple[int, int, int, int]]) -> None:
    database = cantools.database.can.Database()
    database.add_dbc_string(SIGNALS)
    message = database.messages[0]
    rpm, gear, battery, wheel = (
        (np.array(column, dtype=float) for column in zip(*raws, strict=True)) if raws else (np.zeros(0),) * 4
    )
    none = np.zeros(len(raws))
    states = EngineStates(*(none for _ in EngineStates._fields))._replace(
        rpm=rpm * 0.5 - 100, gear=gear, battery_v=battery * 0.1 - 3, wheel_kmh=wheel * 0.25
    )
    for i, octets in enumerate(packed(message, states)):
        values = {name: getattr(states, name)[i] for name in ("rpm", "gear", "battery_v", "wheel_kmh")}
        assert octets.tobytes() == message.encode(values | {"nobody_knows": 0}, strict=False)


def test_values_out_of_a_signals_range_are_clipped() -> None:
    database = cantools.database.can.Database()
    database.add_dbc_string(SIGNALS)
    states = EngineStates(*(np.array([1e9, -1e9]) for _ in EngineStates._fields))
    high, low = (
        decoded(database.messages[0], octets.tobytes()) for octets in packed(database.messages[0], states)
    )
    assert (high["gear"], low["gear"]) == (3, -4)
    assert (high["rpm"], low["rpm"]) == (8191 * 0.5 - 100, -100)


@pytest.mark.parametrize("rate", [0.5, 10.0, 100.0, 333.0, 9000.0])
def test_the_bus_has_the_requested_rate(rate: float) -> None:
    frames = Traffic(ENGINE, rate=rate).between(0.0, 20.0)
    assert len(frames.t_s) == round(20 * rate)
    shares = [np.mean(frames.can_id == message.frame_id) for message in DATABASE.messages]
    assert all(0 < share <= 1 / 3 for share in shares)


@examples(30)
@given(st.lists(st.floats(0.0, 10.0), max_size=8), st.sampled_from([3.0, 100.0, 977.0]))
def test_any_intervals_give_the_same_frames(cuts: list[float], rate: float) -> None:
    traffic = Traffic(ENGINE, rate=rate)
    edges = [0.0, *sorted(cuts), 10.0]
    pieces = [frame for a, b in pairwise(edges) for frame in traffic.between(a, b).records()]
    assert pieces == traffic.between(0.0, 10.0).records()


@given(st.lists(FRAME, min_size=1, max_size=20))
@pytest.mark.parametrize("name", ["gvret", "canserial", "realdash"])
def test_bytes_in_bulk_equal_the_reference(name: str, drawn: list[tuple[int, bytes, int]]) -> None:
    report = protocol(name).report
    assert report is not None
    if name == "realdash":  # which has frames of 8 bytes only, and tells extended identifiers by their size
        drawn = [(i if i & EXTENDED_MASK > 0x7FF else i & 0x7FF, d.ljust(8, b"\0"), t) for i, d, t in drawn]
    frames = frames_of(drawn)
    single = [report(frame) for frame in frames.records()]
    data, ends = wire.REPORTS[name](frames)
    assert data == b"".join(single)
    assert ends == np.cumsum([len(one) for one in single]).tolist()


@given(st.lists(FRAME, min_size=1, max_size=20), st.sampled_from([60_000, 60_001, 65_536]), st.booleans())
def test_slcan_in_bulk_equals_the_reference(
    drawn: list[tuple[int, bytes, int]], wrap_ms: int, stamped: bool
) -> None:
    frames = frames_of(drawn)
    single = [slcan_report(frame, 4 if stamped else 0, wrap_ms) for frame in frames.records()]
    data, ends = wire.slcan(frames, stamped=stamped, wrap_ms=wrap_ms)
    assert data == b"".join(single)
    assert ends == np.cumsum([len(one) for one in single]).tolist()


def test_slcan_in_lower_case_differs_only_in_its_digits() -> None:
    frames = Traffic(ENGINE, rate=500.0).between(0.0, 2.0)
    upper, lower = wire.slcan(frames).data, wire.slcan(frames, lower=True).data
    assert upper != lower
    assert upper.upper() == lower.upper()
    assert lower[:1] == b"t"
    assert b"T" in lower


@pytest.mark.parametrize("name", ["slcan", "gvret", "canserial"])
def test_the_recorders_decoder_gives_the_frames_back(name: str) -> None:
    frames = Traffic(ENGINE, rate=1000.0).between(0.0, 3.0)
    decoder = protocol(name).decoder(0)
    batch = decoder.feed(wire.REPORTS[name](frames).data, 3_100_000)
    sent = [(frame.can_id, frame.data) for frame in frames.records()]
    assert [(frame.can_id, frame.data) for frame in batch.frames] == sent
    assert decoder.bad == 0


def test_a_rate_of_zero_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="0 frames"):
        Traffic(ENGINE, rate=0)
