"""EngineReadings: the newest reading of each channel per tick."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.readings import MAX_KEPT_FRAMES, MAX_UNREAD_FRAMES, EngineReadings
from firmware_bridge.records import CanFrame, Channel, Reading
from tests.firmware_bridge.engine.obd2_answers import answer_frames


class FirstByte:
    """A decoder with one channel per identifier, its value the first byte; for identifiers in `multiplexed` the second
    byte selects the channel."""

    def __init__(self, ids: set[int], multiplexed: set[int] | None = None) -> None:
        self.ids, self.multiplexed = frozenset(ids), frozenset(multiplexed or ())
        self.channels: tuple[Channel, ...] = ()
        self.bad = 0
        self.calls = 0

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        self.calls += 1
        if not data:
            self.bad += 1
            return []
        name = f"{can_id:x}.{data[1]}" if can_id in self.multiplexed else f"{can_id:x}"
        return [Reading(t_us, Channel(name, "", "test"), float(data[0]))]


def frame(t_us: int, can_id: int, *data: int) -> CanFrame:
    return CanFrame(t_us, 0, can_id, bytes(data))


def values(readings: Sequence[Reading]) -> dict[str, float]:
    assert len({reading.channel for reading in readings}) == len(readings)
    return {reading.channel.name: reading.value for reading in readings}


def test_latest_frame_of_each_identifier_counts() -> None:
    decoder = FirstByte({1, 2, 3})
    engine = EngineReadings([decoder])
    engine.feed([frame(10, 1, 7), frame(11, 2, 8), frame(12, 9, 99)])
    engine.feed([frame(13, 1, 5)])
    readings = engine.tick(100)
    assert [(reading.t_us, reading.value) for reading in readings] == [(11, 8.0), (13, 5.0)]
    assert decoder.calls == 2


def test_nothing_new_gives_nothing() -> None:
    engine = EngineReadings([FirstByte({1})])
    engine.feed([frame(10, 1, 7)])
    assert len(engine.tick(100)) == 1
    assert engine.tick(200) == []
    assert EngineReadings([]).tick(0) == []


@given(st.dictionaries(st.integers(0, 999), st.sampled_from([1, 3, 4]), max_size=8))
def test_the_newest_frame_is_found_anywhere_in_a_long_chunk(places: dict[int, int]) -> None:
    engine = EngineReadings([FirstByte({1, 3, 4, 5})])
    engine.feed([frame(at, places.get(at, 9), at % 256) for at in range(1000)])
    newest = {can_id: at for at, can_id in sorted(places.items())}
    assert values(engine.tick(1000)) == {str(can_id): float(at % 256) for can_id, at in newest.items()}


def test_the_bus_does_not_matter() -> None:
    engine = EngineReadings([FirstByte({1})])
    engine.feed([CanFrame(1, 4, 1, b"\x07"), CanFrame(2, 16, 1, b"\x09")])
    assert values(engine.tick(100)) == {"1": 9.0}


def test_multiplexed_identifiers_lose_no_channel() -> None:
    engine = EngineReadings([FirstByte({5}, multiplexed={5})])
    engine.feed([frame(1, 5, 10, 0), frame(2, 5, 20, 1), frame(3, 5, 11, 0)])
    assert values(engine.tick(100)) == {"5.0": 11.0, "5.1": 20.0}


def answer(pid: int, value: bytes) -> bytes:
    [data] = answer_frames([(pid, value)])
    return data


def test_an_answer_in_several_frames_may_span_ticks_and_buses() -> None:
    first, *rest = answer_frames([(0x0C, b"\x1a\xf8"), (0x0D, b"\x50"), (0x05, b"\x7b"), (0x11, b"\xff")])
    engine = EngineReadings([Obd2Decoder()])
    engine.feed([CanFrame(1, 0, 0x7E8, first), CanFrame(1, 16, 0x7E8, first)])
    assert engine.tick(100) == []
    engine.feed([CanFrame(101, bus, 0x7E8, data) for data in rest for bus in (16, 0)])
    decoded = values(engine.tick(200))
    assert decoded == {"rpm": 1726.0, "speed_kmh": 80.0, "coolant_c": 83.0, "throttle_pct": 100.0}


def test_answers_within_one_tick_are_all_read() -> None:
    engine = EngineReadings([Obd2Decoder()])
    engine.feed([frame(1, 0x7E8, *answer(0x0C, b"\x1a\xf8")), frame(2, 0x7E8, *answer(0x0D, b"\x50"))])
    engine.feed([frame(3, 0x7E8, *answer(0x0C, b"\x1b\x00"))])
    assert values(engine.tick(100)) == {"rpm": 1728.0, "speed_kmh": 80.0}


def test_later_of_two_simultaneous_frames_counts() -> None:
    engine = EngineReadings([FirstByte({5}, multiplexed={5})])
    engine.feed([frame(1, 5, 200, 0), frame(1, 5, 100, 0)])
    assert values(engine.tick(100)) == {"5.0": 100.0}


def test_two_decoders_may_share_an_identifier() -> None:
    both = [FirstByte({1}), FirstByte({1, 2})]
    engine = EngineReadings(both)
    engine.feed([frame(1, 1, 5), frame(2, 2, 6)])
    assert values(engine.tick(100)) == {"1": 5.0, "2": 6.0}
    assert [decoder.calls for decoder in both] == [1, 2]


def test_no_reading_is_later_than_its_tick() -> None:
    engine = EngineReadings([FirstByte({1})])
    engine.feed([frame(150, 1, 5)])
    assert engine.tick(100)[0].t_us == 100


def test_memory_between_ticks_is_bounded() -> None:
    decoder = FirstByte({1, 5}, multiplexed={5})
    engine = EngineReadings([decoder])
    engine.feed([frame(0, 1, 42)])
    for start in range(0, 50_000, 1000):  # random identifiers, as damage produces them
        engine.feed([frame(start + n, 1000 + start + n, 1) for n in range(1000)])
        assert sum(map(len, engine._unread)) <= MAX_UNREAD_FRAMES
        assert len(engine._latest) <= 2
    engine.feed([frame(60_000 + n, 5, n % 256, 0) for n in range(3 * MAX_KEPT_FRAMES)])
    assert values(engine.tick(10**9)) == {"1": 42.0, "5.0": float((3 * MAX_KEPT_FRAMES - 1) % 256)}
    assert decoder.calls == 1 + MAX_KEPT_FRAMES


@given(
    st.lists(st.tuples(st.integers(1, 6), st.binary(max_size=3)), max_size=60),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_any_chunking_gives_the_same_readings(pieces: list[tuple[int, bytes]], cuts: list[int]) -> None:
    frames = [CanFrame(t_us, 0, can_id, data) for t_us, (can_id, data) in enumerate(pieces)]
    whole, cut = EngineReadings([FirstByte({1, 3, 4})]), EngineReadings([FirstByte({1, 3, 4})])
    whole.feed(frames)
    edges = [0, *sorted(cuts), len(frames)]
    for begin, end in pairwise(edges):
        cut.feed(frames[begin:end])
    expected = {can_id: data for can_id, data in pieces if can_id in (1, 3, 4)}
    readings = whole.tick(100)
    assert readings == cut.tick(100)
    assert values(readings) == {f"{can_id:x}": data[0] for can_id, data in expected.items() if data}
