"""Bulk decoding equals cantools frame by frame, for real DBC files and difficult constructed ones."""

from __future__ import annotations

import math
import random
import sqlite3
import struct
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cantools.database
import numpy as np
import pytest
from cantools.database.errors import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import dbc
from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.record_columns import FrameColumns, ReadingColumns
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame, Channel
from logger.export.signals import BulkDecoder, signal_blocks
from logger.logfile.blocks import FrameBlock
from logger.logfile.rows import Rows
from logger.logfile.selection import Span, select
from logger.logfile.store import Log, SessionStart
from logger.replay.replay import Capture, sessions
from tests.examples import examples

CORPUS = Path(__file__).parents[3] / "../shared/corpus/dbc"
FILES = sorted(CORPUS.glob("*.dbc"))
FRAMES_PER_MESSAGE = 30
HARD = """
BO_ 256 WIDE: 8 X
 SG_ u64 : 0|64@1+ (1,0) [0|0] "" X
BO_ 257 WIDE_SCALED: 8 X
 SG_ s64 : 7|64@0- (3,-7) [0|0] "" X
BO_ 258 HALF: 8 X
 SG_ u60 : 3|60@1+ (0.1,0.5) [0|0] "" X
BO_ 259 ACROSS: 16 X
 SG_ nine : 4|61@1- (1,0) [0|0] "" X
 SG_ tail : 70|50@1+ (2,0.25) [0|0] "" X
BO_ 260 ACROSS_BIG: 16 X
 SG_ nine_big : 3|62@0- (0.5,1) [0|0] "" X
 SG_ late : 100|20@0+ (1,0) [0|0] "" X
BO_ 261 LONG: 64 X
 SG_ blob : 0|200@1+ (1,0) [0|0] "" X
 SG_ last : 504|8@1- (1,0) [0|0] "" X
BO_ 262 SCALED_MUX: 8 X
 SG_ mux M : 0|4@1+ (2,1) [0|0] "" X
 SG_ one m3 : 8|8@1+ (1,0) [0|0] "" X
 SG_ two m5 : 8|16@0- (0.01,-40) [0|0] "" X
BO_ 263 OVERLAP: 4 X
 SG_ a : 0|16@1+ (1,0) [0|0] "" X
 SG_ b : 8|16@1- (1,0) [0|0] "" X
 SG_ beyond : 24|16@1+ (1,0) [0|0] "" X
BO_ 2566844926 EXTENDED: 8 X
 SG_ f32 : 0|32@1- (1,0) [0|0] "" X
 SG_ f32_big : 39|32@0- (0.5,3) [0|0] "" X
BO_ 265 EMPTY: 0 X
BO_ 266 FLOAT_ACROSS: 16 X
 SG_ f64 : 4|64@1- (2,1) [0|0] "" X
SIG_VALTYPE_ 2566844926 f32 : 1;
SIG_VALTYPE_ 2566844926 f32_big : 1;
SIG_VALTYPE_ 266 f64 : 2;
"""


def block_of(frames: list[CanFrame]) -> FrameBlock:
    length = np.array([len(frame.data) for frame in frames], dtype=np.int64)
    whole = [
        np.array([getattr(frame, name) for frame in frames], dtype=np.int64)
        for name in ("t_us", "bus", "can_id")
    ]
    t_us, bus, can_id = whole
    utc = t_us.astype("datetime64[us]")
    data = np.frombuffer(b"".join(frame.data for frame in frames), dtype=np.uint8)
    return FrameBlock(np.ones_like(t_us), t_us, utc, bus, can_id, length, np.cumsum(length) - length, data)


def in_bulk(text: str, frames: list[CanFrame]) -> list[dict[str, float]]:
    """Values by channel for each frame, from the bulk decoder."""
    values_found: list[dict[str, float]] = [{} for _ in frames]
    for decoded in BulkDecoder({"a.dbc": text}).decode(block_of(frames)):
        for row, value in zip(decoded.rows.tolist(), decoded.values.tolist(), strict=True):
            assert decoded.channel.name not in values_found[row]
            values_found[row][decoded.channel.name] = value
    return values_found


def one_by_one(text: str, frames: list[CanFrame]) -> list[dict[str, float]]:
    """Values by channel for each frame, from the live decoder."""
    decoder = dbc.load(text, "a.dbc")
    return [
        {}
        if frame.can_id & (RTR_FLAG | ERR_FLAG)
        else {reading.channel.name: reading.value for reading in decoder.decode(0, frame.can_id, frame.data)}
        for frame in frames
    ]


def frames_for(text: str, rng: random.Random) -> list[CanFrame]:
    """Random frames of every message (mostly whole, some short, long or FD) and of unknown identifiers."""
    decoder = dbc.load(text, "a.dbc")
    frames: list[CanFrame] = []
    for can_id, known in decoder.messages.items():
        is_multiplexed = can_id in decoder.multiplexed
        for count in range(256 if is_multiplexed else FRAMES_PER_MESSAGE):
            length = rng.choice((known.length, known.length, known.length, rng.randrange(65)))
            data = bytearray(rng.randbytes(length))
            if data and is_multiplexed:
                data[0] = count  # the position of the multiplexers, so that each value occurs
            flag = FD_FLAG if length > 8 else rng.choice((0, 0, 0, RTR_FLAG, ERR_FLAG))
            frames.append(CanFrame(len(frames), 0, can_id | flag, bytes(data)))
            frames.append(CanFrame(len(frames), 0, can_id ^ EFF_FLAG, bytes(data)))
    rng.shuffle(frames)
    return frames


@pytest.mark.skipif(not FILES, reason="the corpus of DBC files is not beside the project")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_dbc_decodes_as_in_the_live_decoder(path: Path) -> None:
    text = dbc.text_of(path.read_bytes())
    frames = frames_for(text, random.Random(path.name))
    expected = one_by_one(text, frames)
    assert sum(map(len, expected)) > FRAMES_PER_MESSAGE
    assert in_bulk(text, frames) == expected


@pytest.mark.skipif(not FILES, reason="the corpus of DBC files is not beside the project")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whole_frames_decode_as_in_cantools(path: Path) -> None:
    """Compares with cantools itself where it decodes."""
    text = dbc.text_of(path.read_bytes())
    database: Any = cantools.database.load_string(text, "dbc", strict=False)
    messages = {
        message.frame_id | (EFF_FLAG if message.is_extended_frame else 0): message
        for message in database.messages
    }
    rng = random.Random(path.name)
    frames = [
        CanFrame(0, 0, can_id, bytes([first, *rng.randbytes(message.length - 1)]))
        for can_id, message in messages.items()
        for first in range(256)
    ]
    compared = 0
    for frame, values_found in zip(frames, in_bulk(text, frames), strict=True):
        try:
            decoded = messages[frame.can_id].decode(frame.data, decode_choices=False)
        except (DecodeError, ValueError):
            assert values_found == {}
            continue
        values = {name.rpartition(".")[2]: value for name, value in values_found.items()}
        assert values == {name: float(value) for name, value in decoded.items() if math.isfinite(value)}
        compared += 1
    assert compared >= 5


@examples(15)
@given(st.integers(0, 2**32))
def test_a_hard_dbc_decodes_as_in_the_live_decoder(seed: int) -> None:
    frames = frames_for(HARD, random.Random(seed))
    assert in_bulk(HARD, frames) == one_by_one(HARD, frames)


def test_the_hard_dbc_exercises_every_signal() -> None:
    """Each of its signals occurs, except the one that does not fit."""
    values_found = {name for values in in_bulk(HARD, frames_for(HARD, random.Random(1))) for name in values}
    assert values_found == {channel.name for channel in dbc.load(HARD, "a.dbc").channels} - {"beyond"}


def test_extremes_are_exact() -> None:
    """Integers at the edge of 64 bits, where a double rounds and an int64 would overflow."""
    frames = [
        CanFrame(0, 0, 256, b"\xff" * 8),
        CanFrame(1, 0, 257, struct.pack(">q", -(2**63))),
        CanFrame(2, 0, 257, struct.pack(">q", 2**63 - 1)),
    ]
    assert in_bulk(HARD, frames) == [
        {"u64": float(2**64 - 1)},
        {"s64": float(-(2**63) * 3 - 7)},
        {"s64": float((2**63 - 1) * 3 - 7)},
    ]


EEC1 = 'BO_ 2364540158 EEC1: 8 X\n SG_ rpm : 24|16@1+ (0.125,0) [0|0] "1/min" X\n'


def by_node(log: Path, **part: int) -> dict[tuple[str, str], int]:
    """Number of values of each channel of a log, by name and source."""
    values_found: Counter[tuple[str, str]] = Counter()
    with closing(sqlite3.connect(log)) as connection:
        chosen = select(connection)
        if part:
            chosen = replace(chosen, spans=(Span(**part),))
        for _, decoded in signal_blocks(connection, chosen, lambda _done: None, {"a.dbc": EEC1}):
            for each in decoded:
                values_found[each.channel.name, each.channel.source] += len(each.rows)
    return dict(values_found)


def test_j1939_channels_are_those_of_live_in_the_whole_log_and_in_a_part(tmp_path: Path) -> None:
    """Node 0x31 occurs first in the log, in a session that the exported part does not contain."""
    sent = [0x31, 0x00, 0x31, 0x00, 0x00], [0x00, 0x31, 0x05]
    live: set[Channel] = set()
    with closing(Log(tmp_path / "a.db", durable=False)) as log:
        for sources in sent:
            log.begin_session(SessionStart("boot", "", "test", ""), {})
            engine = EngineReadings([dbc.load(EEC1, "a.dbc")])
            engine.begin_log(log.channels)
            frames = [CanFrame(n, 0, 0x8CF00400 | source, bytes(8)) for n, source in enumerate(sources, 1)]
            engine.feed(frames)
            readings = engine.tick(100)
            live |= {reading.channel for reading in readings}
            log.write(Rows(frame=FrameColumns.of(frames), reading=ReadingColumns.of(readings)))
    names = {source: Channel(f"rpm{tail}", "1/min", f"a.dbc:EEC1@{source}") for source, tail in NODES.items()}
    assert live == set(names.values())
    counts = {"0x31": 3, "0x00": 4, "0x05": 1}
    assert by_node(tmp_path / "a.db") == {
        (names[n].name, names[n].source): count for n, count in counts.items()
    }
    assert by_node(tmp_path / "a.db", session=2, first_us=0, last_us=9) == {
        (channel.name, channel.source): 1 for channel in names.values()
    }
    again = Capture(tmp_path / "a.db", dbc_texts={"a.dbc": EEC1})
    replayed = set()
    for session in sessions(again, lambda _done: None):
        replayed |= {reading.channel for rows in session.rows for reading in rows.reading}
    assert replayed == live


NODES = {"0x31": "", "0x00": "@0x00", "0x05": "@0x05"}


def test_no_frames_give_no_values() -> None:
    assert in_bulk(HARD, []) == []
