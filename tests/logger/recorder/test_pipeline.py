"""Bytes to rows: the same rows however the bytes are split, nothing raised, every loss counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import preset
from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import PROTOCOL_NAMES, nmea, protocol
from firmware_bridge.records import CanFrame
from logger.logfile.rows import Rows
from logger.recorder.pipeline import BEAT_US, Pipeline
from logger.recorder.sources import Source
from logger.recorder.stage_files import Stage
from tests.examples import examples
from tests.firmware_bridge.wire import CAN_PROTOCOLS, chunks, frames

SECOND_US = 1_000_000
OPEN_STRETCHES = 1
"""A stretch of noise is counted when it begins and rejected when it ends, which the last may not have."""
SIZES = st.lists(st.integers(1, 200), min_size=1, max_size=8)


def pipeline(*names: str) -> Pipeline:
    """A source of each protocol, named after it, with OBD-II decoded on every bus."""
    sources = [
        Source(name, protocol(name).decoder(16 * at), FixBuilder() if name == "nmea" else None)
        for at, name in enumerate(names)
    ]
    return Pipeline(sources, EngineReadings([preset("obd2")]), Stage().live(""))


def rows_of(
    made: Pipeline, port: str, pieces: Iterable[bytes], t_us: int = SECOND_US, step_us: int = 0
) -> Rows:
    for number, piece in enumerate(pieces):
        made.feed(port, t_us + step_us * number, piece)
    made.finish(t_us + 10 * SECOND_US)
    return made.take()


def drive_text(epochs: int) -> bytes:
    """A receiver at 5 Hz that drives north, as bytes."""
    lines = []
    for number in range(epochs):
        at = f"0959{number // 5:02d}.{number % 5 * 20:02d}"
        place = f"{2030.0 + number * 0.003:.4f},N,04236.0000,E"
        lines.append(nmea.encode(f"GPRMC,{at},A,{place},54.0,000.0,150126,,,A"))
        lines.append(nmea.encode(f"GNGGA,{at},{place},1,11,0.8,1100.0,M,0.0,M,,"))
    return b"".join(lines)


TEXT = drive_text(20)
WHOLE = rows_of(pipeline("nmea"), "nmea", [TEXT])


def test_the_text_is_a_drive() -> None:
    assert len(WHOLE.sentence) == 40
    assert len(WHOLE.fix) == 20
    assert WHOLE.rejected == []
    assert all(fix.lat is not None and fix.utc_us is not None for fix in WHOLE.fix)


@given(SIZES)
@examples(40)
def test_any_cutting_of_nmea_gives_the_same_sentences_and_fixes(sizes: list[int]) -> None:
    cut = rows_of(pipeline("nmea"), "nmea", chunks(TEXT, sizes), step_us=100)
    assert [row.text for row in cut.sentence] == [row.text for row in WHOLE.sentence]
    assert [fix[1:] for fix in cut.fix] == [fix[1:] for fix in WHOLE.fix]
    assert cut.rejected == []


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
def test_any_cutting_of_a_bus_gives_the_same_frames_and_conserves_them(name: str) -> None:
    report = protocol(name).report
    assert report is not None

    @given(st.lists(frames(name), min_size=1, max_size=30), SIZES)
    @examples(40)
    def holds(sent: list[CanFrame], sizes: list[int]) -> None:
        data = b"".join(report(frame) for frame in sent)
        made = pipeline(name)
        cut = rows_of(made, name, chunks(data, sizes), step_us=1000)
        whole = rows_of(pipeline(name), name, [data])
        assert [row[2:] for row in cut.frame] == [row[2:] for row in whole.frame] == [row[2:] for row in sent]
        assert made.evidence(name).good == len(cut.frame)
        assert [row.t_us for row in cut.frame] == sorted(row.t_us for row in cut.frame)

    holds()


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_arbitrary_bytes_never_raise_and_every_frame_is_a_row(name: str) -> None:
    @given(st.lists(st.tuples(st.integers(-SECOND_US, SECOND_US), st.binary(max_size=300)), max_size=20))
    @examples(60)
    def holds(pieces: list[tuple[int, bytes]]) -> None:
        made = pipeline(name)
        t_us, seen = SECOND_US, 0
        for step_us, data in pieces:
            t_us = max(0, t_us + step_us)
            seen += len(made.feed(name, t_us, data))
        made.finish(t_us + 2 * SECOND_US)
        rows = made.take()
        good, bad, *_ = made.evidence(name)
        assert len(rows.frame) == seen
        messages = good - len(rows.frame) - len(rows.sentence)
        assert messages == 0 or (name == "elm327" and messages > 0), "a dongle's own messages count as good"
        assert 0 <= bad - len(rows.rejected) - over(rows)["rejected"] <= OPEN_STRETCHES
        for table in (rows.frame, rows.sentence, rows.fix, rows.reading):
            assert [row.t_us for row in table] == sorted(row.t_us for row in table)

    holds()


def over(rows: Rows) -> Counter[str]:
    """The counts of items that were not logged individually, from the events."""
    counted: Counter[str] = Counter()
    for event in rows.event:
        if event.kind == "not_logged":
            counted.update({kind: number for kind, number in event.detail.items() if kind != "port"})
    return counted


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_rows_of_a_noisy_wire_are_rate_limited_and_the_surplus_counted(name: str) -> None:
    noise = random.Random(23)
    made = pipeline(name)
    seconds = 5
    for tick in range(100 * seconds):
        made.feed(name, SECOND_US + tick * 10_000, b"".join(noise.randbytes(40) + b"\r$" for _ in range(5)))
    made.finish((seconds + 3) * SECOND_US)
    rows = made.take()
    a_second = Counter((row.t_us - 1) // SECOND_US for row in rows.rejected)
    assert a_second
    assert max(a_second.values()) <= 20
    assert all(len(row.data) <= 256 for row in rows.rejected)
    bad = made.evidence(name).rejected
    assert 0 <= bad - len(rows.rejected) - over(rows)["rejected"] <= OPEN_STRETCHES
    assert len(rows.event) <= 8 * (seconds + 3), "events are bounded too"


def test_the_rate_limit_is_per_port() -> None:
    made = pipeline("nmea", "slcan")
    for _ in range(50):
        made.feed("nmea", SECOND_US + 1, b"$GPRMC,damaged*00\r\n")
    made.feed("slcan", SECOND_US + 1, b"t12\rt1230\r")
    made.finish(3 * SECOND_US)
    rows = made.take()
    assert Counter(row.port for row in rows.rejected) == {"nmea": 20, "slcan": 1}
    surplus = [event.detail for event in rows.event if event.kind == "not_logged"]
    assert surplus == [{"port": "nmea", "rejected": 30}]


def test_readings_are_of_the_newest_frame_ten_times_per_second() -> None:
    made = pipeline("slcan")
    for number in range(1000):  # rpm, 1000 answers in a second
        answer = (
            b"t7E88" + bytes.fromhex("04410C").hex().upper().encode() + b"%04X" % (4 * number) + b"000000\r"
        )
        made.feed("slcan", SECOND_US + number * 1000, answer)
    made.finish(3 * SECOND_US)
    rows = made.take()
    assert len(rows.frame) == 1000
    assert {reading.channel.name for reading in rows.reading} == {"rpm"}
    assert 10 <= len(rows.reading) <= 11
    values = [reading.value for reading in rows.reading]
    assert values == sorted(values)
    assert values[-1] == 999.0
    gaps = {b.t_us - a.t_us for a, b in zip(rows.reading, rows.reading[1:], strict=False)}
    assert max(gaps) <= BEAT_US + 1000


def test_a_faulty_source_does_not_affect_another() -> None:
    noise = random.Random(4)
    made = pipeline("nmea", "slcan")
    for number, piece in enumerate(chunks(TEXT, [50])):
        made.feed("slcan", SECOND_US + 100 * number, noise.randbytes(100))
        made.feed("nmea", SECOND_US + 100 * number, piece)
    made.finish(20 * SECOND_US)
    rows = made.take()
    assert [row.text for row in rows.sentence] == [row.text for row in WHOLE.sentence]
    assert [fix[1:] for fix in rows.fix] == [fix[1:] for fix in WHOLE.fix]
    assert all(row.port == "slcan" for row in rows.rejected)


def test_time_never_runs_back() -> None:
    made = pipeline("nmea", "slcan")
    made.feed("nmea", 5 * SECOND_US, TEXT[:800])
    made.feed("slcan", 4 * SECOND_US, b"t1230\r" * 10)
    made.feed("nmea", 3 * SECOND_US, TEXT[800:])
    made.finish(9 * SECOND_US)
    rows = made.take()
    assert len(rows.frame) == 10
    assert len(rows.sentence) == 40
    for table in (rows.frame, rows.sentence, rows.fix, rows.progress):
        assert [row.t_us for row in table] == sorted(row.t_us for row in table)
    assert min(row.t_us for row in rows.frame) >= 5 * SECOND_US


def test_whole_sentences_and_frames_need_no_decoder() -> None:
    """The rows of a log arrive whole; a change of stage begins with an empty fix state."""
    made = Pipeline([Source("gps", fixes=FixBuilder())], EngineReadings([]), Stage().live(""))
    for line in TEXT.decode().split():
        made.sentences("gps", made.t_us + 1, (line,))
    made.frames([CanFrame(made.t_us + 1, 0, 0x123, b"")])
    made.close_epochs()
    rows = made.take()
    assert [fix[1:] for fix in rows.fix] == [fix[1:] for fix in WHOLE.fix]
    assert len(rows.frame) == 1
    assert made.evidence("gps").good == 0
    made.change_stage(Stage().live(""))
    made.sentences("gps", made.t_us + 1, (TEXT.decode().split()[1],))
    made.close_epochs()
    assert [fix.utc_us for fix in made.take().fix] == [None], (
        "GGA has no date, and that of before is forgotten"
    )
