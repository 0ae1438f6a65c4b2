"""Round trip of raw CAN frames through python-can's readers and our candump reader."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import can
import pytest

from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_FLAG,
    RTR_FLAG,
    CanFrame,
)
from logger.export import formats
from logger.export.formats import FORMATS
from logger.logfile import selection
from logger.replay.canlogs import Decoder
from logger.replay.canlogs.candump import Candump
from tests.logger.export.logs_made import BEGIN_US, exported, frames, opened

READ_WITH = {"asc": {"relative_timestamp": False}}
STEPPED_US = 63_250_000


def utc_us(t_us: int) -> int:
    return BEGIN_US + t_us + (20_000 if t_us >= STEPPED_US else 0)


def expected() -> Iterator[tuple[int, int, int, bytes]]:
    """Time, bus, identifier with flags, data, of both sessions; the second is dated from 1970."""
    for frame in frames():
        yield utc_us(frame.t_us), frame.bus, frame.can_id, frame.data
    for frame in frames():
        yield frame


def read(message: Any) -> tuple[int, int | None, int, bytes]:
    flags = {
        EFF_FLAG: message.is_extended_id,
        RTR_FLAG: message.is_remote_frame,
        ERR_FLAG: message.is_error_frame,
        FD_FLAG: message.is_fd,
        BRS_FLAG: message.bitrate_switch,
        ESI_FLAG: message.error_state_indicator,
    }
    can_id = message.arbitration_id | sum(flag for flag, is_set in flags.items() if is_set)
    data = bytes(message.dlc) if message.is_remote_frame else bytes(message.data)
    bus = message.channel if message.channel is None else int(str(message.channel).removeprefix("can"))
    return round(message.timestamp * 1e6), bus, can_id, data


def read_back(path: Path, name: str, data: bytes) -> list[tuple[int, int | None, int, bytes]]:
    file = path / f"a{FORMATS[name].suffix}"
    file.write_bytes(data)
    with can.LogReader(file, **READ_WITH.get(name, {})) as messages:
        return [read(message) for message in messages]


@pytest.fixture(params=["UTC", "Asia/Riyadh"])
def time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ASC contains local time without a time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("time_zone")
@pytest.mark.parametrize("name", ["candump", "asc", "blf", "mf4"])
def test_frames_survive_a_round_trip_through_python_can(log: Path, tmp_path: Path, name: str) -> None:
    if name == "mf4":
        pytest.importorskip("asammdf")
    frames_expected = list(expected())
    if name == "mf4":
        frames_expected.sort(key=lambda row: row[0])  # python-can's reader merges by time
    read_frames = read_back(tmp_path, name, exported(log, name, "frames"))
    assert len(read_frames) == len(frames_expected)
    for one, other in zip(read_frames, frames_expected, strict=True):
        if other[2] & ERR_FLAG and name == "candump":  # python-can's reader drops the class of an error frame
            assert (one[0], one[2] & ERR_FLAG) == (other[0], ERR_FLAG)
        elif other[2] & ERR_FLAG and name == "asc":  # the format does not contain class and data
            assert (one[:2], one[2] & ERR_FLAG) == (other[:2], ERR_FLAG)
        else:
            assert one == other


def test_our_candump_reader_reads_every_frame(log: Path) -> None:
    """Error frames keep class and data, except for the bit by which python-can recognises them."""
    decoder = Decoder(Candump())
    lines = exported(log, "candump").splitlines(keepends=True)
    read_frames = [
        decoder.feed(line, decoder.stamp_us or 0).frames[0] for line in lines if decoder.reads(line)
    ]
    buses: dict[int, int] = {}
    for frame, (t_us, bus, can_id, data) in zip(read_frames, expected(), strict=True):
        number = buses.setdefault(bus, len(buses))
        is_error = can_id & ERR_FLAG
        meant = (can_id | 0x80) & (ERR_FLAG | EXTENDED_MASK) if is_error else can_id
        assert frame == CanFrame(t_us, number, meant, data)
    assert decoder.bad == 0


def test_export_of_one_section(log: Path, tmp_path: Path) -> None:
    """From start to finish, exact to the microsecond of the events, in both sessions."""
    frames_expected = [row for row in frames() if 19_600_000 <= row.t_us <= 149_300_000]
    read_frames = read_back(tmp_path, "blf", exported(log, "blf", section=1))
    assert [row[3] for row in read_frames] == [row.data for row in frames_expected] * 2


@pytest.mark.parametrize("name", ["blf", "mf4"])
def test_formats_that_seek_can_be_written_to_a_pipe(log: Path, tmp_path: Path, name: str) -> None:
    """Such formats complete their headers at the end."""
    if name == "mf4":
        pytest.importorskip("asammdf")
    read_end, write_end = os.pipe()
    with (
        opened(log) as connection,
        os.fdopen(read_end, "rb") as reader,
        os.fdopen(write_end, "wb") as pipe,
        ThreadPoolExecutor(1) as pool,
    ):
        reading = pool.submit(reader.read)
        formats.write(connection, selection.select(connection), name, pipe)
        pipe.close()
        data = reading.result()
    assert sorted(read_back(tmp_path, name, data)) == sorted(expected())
