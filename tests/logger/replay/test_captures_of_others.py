"""CAN captures of other programs: `tests/field_cases`, every form of each, and damaged ones."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import can
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import LogError
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG
from logger.replay import canlogs, text_lines
from logger.replay.replay import Capture, kind_of
from tests.examples import examples
from tests.field_failures.recorder_process import query
from tests.logger.command_line import stagelog
from tests.logger.replay.capture_files import CASES, FULL, THREE, frames, replayed, text


def test_candumps_screen_form_without_stamps(tmp_path: Path) -> None:
    found = frames(CASES / "can/candump_default.log", tmp_path)
    assert [frame[1:] for frame in found] == [
        (0, 0x123, FULL),
        (0, 0x18FEF100 | EFF_FLAG, THREE),
        (0, 0x7DF, ""),
        (0, 0x321 | RTR_FLAG, "00000000"),
    ]
    assert [frame[0] for frame in found] == [0, 1000, 2000, 3000]


def test_candumps_screen_form_with_stamps(tmp_path: Path) -> None:
    assert frames(CASES / "can/candump_ta.log", tmp_path) == [
        (0, 0, 0x123, FULL),
        (10_000, 0, 0x18FEF100 | EFF_FLAG, THREE),
        (20_000, 0, 0x123, "1122334455667789"),
        (30_000, 0, 0x321 | RTR_FLAG, "00000000"),
    ]


@pytest.mark.parametrize(
    ("stamps", "times_us"),
    [
        (["000.000000", "000.010000", "000.030000", "000.035000"], [0, 10_000, 30_000, 35_000]),  # -t z
        (["000.000000", "000.010000", "000.010000", "000.020000"], [0, 10_000, 20_000, 40_000]),  # -t d
        (["000.000000", "000.030000", "000.010000", "001.000000"], [0, 30_000, 40_000, 1_040_000]),  # -t d
        (
            ["2026-01-15 09:59:59.900000", "2026-01-15 09:59:59.910000", "2026-01-15 10:00:00.000000",
             "2026-01-15 10:00:00.100000"],
            [0, 10_000, 100_000, 200_000],
        ),
    ],
)  # fmt: skip
def test_every_kind_of_candumps_stamps(tmp_path: Path, stamps: list[str], times_us: list[int]) -> None:
    lines = "".join(f" ({stamp})  can0  123   [1]  0{n}\n" for n, stamp in enumerate(stamps))
    assert [frame[0] for frame in frames(text(tmp_path, lines), tmp_path)] == times_us


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ("  can0  123  [08]  11 22 33 44 55 66 77 88", (0x123 | FD_FLAG, FULL)),
        ("  can1  123  [12]  " + "AA " * 12, (0x123 | FD_FLAG, "aa" * 12)),
        ("  vcan0  RX B -  00000123   [1]  FF", (0x123 | EFF_FLAG, "ff")),
        ("  can0  TX - -  123   [1]  FF", (0x123, "ff")),
        ("  slcan0  123   [3]  41 42 43                  'ABC'", (0x123, "414243")),
        (
            "  can0  20000004   [8]  00 04 00 00 00 00 00 00   ERRORFRAME",
            (ERR_FLAG | 4, "0004000000000000"),
        ),
        ("  can0  18FEF100   [8]  remote request", (0x18FEF100 | EFF_FLAG | RTR_FLAG, "00" * 8)),
    ],
)
def test_every_form_of_a_screen_line(tmp_path: Path, line: str, frame: tuple[int, str]) -> None:
    ((_, _, can_id, data),) = frames(text(tmp_path, line + "\n"), tmp_path)
    assert (can_id, data) == frame


def test_savvycan_csv(tmp_path: Path) -> None:
    assert frames(CASES / "can/savvycan.csv", tmp_path) == [
        (0, 0, 0x123, FULL),
        (10_000, 0, 0x18FEF100 | EFF_FLAG, THREE),
    ]


def test_savvycan_of_other_versions(tmp_path: Path) -> None:
    """No Dir column, two buses, CR LF, a byte order mark, seconds, FD lengths and lower case."""
    lines = (
        "\ufeffTime Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\r\n"
        "1.500000,7df,false,1,2,a,ff,,,,,,\r\n"
        "1.510000,123,false,0,12," + ",".join(["0c"] * 12) + "\r\n"
    )
    assert frames(text(tmp_path, lines, "save.csv"), tmp_path) == [
        (0, 0, 0x7DF, "0aff"),
        (10_000, 1, 0x123 | FD_FLAG, "0c" * 12),
    ]


def test_vector_asc_relative_and_decimal(tmp_path: Path) -> None:
    found = frames(CASES / "can/vec_rel_dec.asc", tmp_path)
    assert [frame[0] for frame in found] == [0, 10_000, 20_000]
    assert [frame[2:] for frame in found] == [
        (0x123, FULL),
        (418381056 | EFF_FLAG, THREE),
        (0x123 | RTR_FLAG, ""),
    ]
    assert [frame[1] for frame in found] == [0, 0, 1]


def test_vector_asc_of_every_form(tmp_path: Path) -> None:
    lines = (
        "date Tue May 27 04:09:35.000 pm 2014\nbase hex  timestamps absolute\nno internal events logged\n"
        "Begin Triggerblock Tue May 27 04:09:35.000 pm 2014\n   0.000000 Start of measurement\n"
        "   0.015991 CAN 1 Status:chip status error passive - TxErr: 132 RxErr: 0\n"
        "   0.020000 1  18FEF100x       Rx   d 3 01 02 03  Length = 180000 BitCount = 95 ID = 419361024x\n"
        "   0.021000 1  321             Rx   r 4\n"
        "   0.022000 2  7DF             Tx   d 0\n"
        "   0.023000 1  ErrorFrame\n"
        "   0.024000 CANFD   1 Rx        300                                  1 0 9 12"
        " 00 01 02 03 04 05 06 07 08 09 0a 0b   130000  130 303000 0 0 0 0 0\n"
        "   0.025000 CANFD   2 Tx   1234567x  Engine 0 1 8 8 01 02 03 04 05 06 07 08  130000 130 203000 0\n"
        "   0.026000 CANFD   1 Rx   123    0 0 1 1 ff  130000 130 200000 0\n"
        "   0.027000 1  Statistic: D 0 R 0 XD 0 XR 0 E 0 O 0 B 0.00%\n"
        "   0.028000 1  EngineData      Rx   d 1 00\n"
        "End TriggerBlock\n"
    )
    outcome, log = replayed(text(tmp_path, lines, "every.asc"), tmp_path)
    found = query(log, "SELECT t_us - (t_us = 1), bus, can_id, lower(hex(data)) FROM frame ORDER BY rowid")
    assert found == [
        (0, 0, 0x18FEF100 | EFF_FLAG, THREE),
        (1000, 0, 0x321 | RTR_FLAG, "00000000"),
        (2000, 1, 0x7DF, ""),
        (3000, 0, ERR_FLAG | 0x80, "00" * 8),
        (4000, 0, 0x300 | FD_FLAG | BRS_FLAG, "000102030405060708090a0b"),
        (5000, 1, 0x1234567 | EFF_FLAG | FD_FLAG | ESI_FLAG, "0102030405060708"),
        (6000, 0, 0x123, "ff"),
    ]
    assert query(log, "SELECT reason FROM rejected") == [("name",)]
    assert outcome.rows["rejected"] == 1


BUSMASTER = """***BUSMASTER Ver 3.2.2***
***PROTOCOL CAN***
***NOTE: PLEASE DO NOT EDIT THIS DOCUMENT***
***[START LOGGING SESSION]***
***START DATE AND TIME 15:1:2026 9:0:0:450***
***{base}***
***{mode} MODE***
***START CHANNEL BAUD RATE***
***CHANNEL 1 - PEAK - PCAN-USB - 500000 bps***
***END CHANNEL BAUD RATE***
***<Time><Tx/Rx><Channel><CAN ID><Type><DLC><DataBytes>***
"""


def test_busmaster(tmp_path: Path) -> None:
    head = BUSMASTER.format(base="HEX", mode="SYSTEM")
    lines = (
        "09:00:00:4500 Rx 1 0x123 s 8 11 22 33 44 55 66 77 88 \n"
        "09:00:00:4612 Rx 2 0x18FEF100 x 3 01 02 03 \n09:00:00:4700 Tx 1 0x321 sr 4\n"
    )
    assert frames(text(tmp_path, head + lines + "***[STOP LOGGING SESSION]***\n"), tmp_path) == [
        (0, 0, 0x123, FULL),
        (11_200, 1, 0x18FEF100 | EFF_FLAG, THREE),
        (20_000, 0, 0x321 | RTR_FLAG, "00000000"),
    ]


def test_busmaster_relative_and_decimal(tmp_path: Path) -> None:
    head = BUSMASTER.format(base="DEC", mode="RELATIVE")
    lines = (
        "00:00:00:0000 Rx 1 291 s 2 17 34\n00:00:00:0100 Rx 1 291 s 2 17 255\n00:00:00:0100 Rx 1 291 s 0\n"
    )
    assert frames(text(tmp_path, head + lines), tmp_path) == [
        (0, 0, 0x123, "1122"),
        (10_000, 0, 0x123, "11ff"),
        (20_000, 0, 0x123, ""),
    ]


def test_a_gzipped_candump_log(tmp_path: Path) -> None:
    found = frames(CASES / "can/candump_L_gz.log.gz", tmp_path)
    assert [frame[0] for frame in found] == [0, 10_000, 20_000, 30_000, 40_000]


@pytest.mark.parametrize(
    "case", ["can/candump_default.log", "can/candump_ta.log", "can/savvycan.csv", "can/vec_rel_dec.asc"]
)
def test_anything_may_be_gzipped(tmp_path: Path, case: str) -> None:
    packed = tmp_path / (Path(case).name + ".gz")
    packed.write_bytes(gzip.compress((CASES / case).read_bytes()))
    assert frames(packed, tmp_path / "one") == frames(CASES / case, tmp_path / "two")


def test_a_truncated_gzip_file_is_read_up_to_its_end(tmp_path: Path) -> None:
    whole = "".join(f"({n}.0) can0 123#{n * 7919 % 65536:04X}\n" for n in range(20_000)).encode()
    packed = tmp_path / "cut.log.gz"
    packed.write_bytes(gzip.compress(whole)[:-20_000])
    ended = stagelog("replay", packed, folder=tmp_path)
    assert ended.code == 0
    assert "the gzip file is damaged" in ended.err
    count = int(ended.out.split("frame ")[1].split()[0].rstrip(","))
    assert 1000 < count < 20_000


@pytest.mark.parametrize("ending", ["mf4", "db", "trc", "blf", "asc"])
def test_python_cans_own_formats_with_right_times(tmp_path: Path, ending: str) -> None:
    can = pytest.importorskip("can")
    if ending == "mf4":
        pytest.importorskip("asammdf")
    path = tmp_path / f"other.{ending}"
    with can.Logger(str(path)) as writer:
        for number in range(50):
            message = can.Message(
                timestamp=1_768_446_000 + number / 100,
                arbitration_id=0x123,
                is_extended_id=False,
                data=number.to_bytes(8, "big"),
                channel=1,
            )
            writer(message)
    found = frames(path, tmp_path)
    assert [frame[2:] for frame in found] == [(0x123, f"{n:016x}") for n in range(50)]
    assert [frame[0] for frame in found] == pytest.approx([n * 10_000 for n in range(50)], abs=1100)


@pytest.mark.parametrize("version", ["1.1", "2.1"])
def test_peak_trc(tmp_path: Path, version: str) -> None:
    head = f";$FILEVERSION={version}\n;$STARTTIME=46037.375\n"
    if version == "1.1":
        lines = (
            "     1)       100.0  Rx         0123  8  11 22 33 44 55 66 77 88\n"
            "     2)       110.5  Rx     18FEF100  3  01 02 03\n"
        )
    else:
        head += ";$COLUMNS=N,O,T,B,I,d,R,L,D\n"
        lines = (
            "      1       100.000 DT 1      0123 Rx -  8    11 22 33 44 55 66 77 88\n"
            "      2       110.500 DT 1  18FEF100 Rx -  3    01 02 03\n"
        )
    found = frames(text(tmp_path, head + lines, "peak.trc"), tmp_path)
    assert [frame[2:] for frame in found] == [(0x123, FULL), (0x18FEF100 | EFF_FLAG, THREE)]
    assert [frame[0] for frame in found] == pytest.approx([0, 10_500], abs=2)


def test_an_unknown_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE VIEW messages AS SELECT 1 AS ts, 2 AS arbitration_id, 3 AS data")
    connection.close()
    assert kind_of(Capture(tmp_path / "other.db")) == "log"
    with pytest.raises(LogError):
        replayed(tmp_path / "other.db", tmp_path)


def test_a_database_of_python_can_is_only_read(tmp_path: Path) -> None:
    """python-can's reader opens it for writing; a trigger, an index or a WAL in it must not matter."""
    path = tmp_path / "theirs.db"
    with can.SqliteWriter(str(path)) as writer:
        for number in range(3):
            writer(can.Message(1000.0 + number, 0x123, is_extended_id=False, data=bytes([number] * 3)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE VIEW endless AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 2 FROM n) SELECT * FROM n"
        )
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END")
    before = path.read_bytes()
    assert [frame[2:] for frame in frames(path, tmp_path)] == [(0x123, f"0{n}" * 3) for n in range(3)]
    assert path.read_bytes() == before


def test_a_virtual_table_is_not_a_log_of_python_can(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE VIRTUAL TABLE messages USING fts5(ts, arbitration_id, data)")
    assert kind_of(Capture(tmp_path / "other.db")) == "log"


# --- unknown formats


@pytest.mark.parametrize("verb", ["replay", "review"])
def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path, verb: str) -> None:
    (tmp_path / "some.bin").write_bytes(bytes(range(256)) * 4)
    ended = stagelog(verb, "some.bin", folder=tmp_path)
    assert ended.code != 0
    assert "neither a log, an NMEA text nor a CAN log" in ended.complaint
    assert ("--protocol" in ended.complaint) == (verb == "replay")


LINES = [
    b" (1700000000.000001)  can0  123   [8]  11 22 33 44 55 66 77 88\n",
    b"Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n1000000,00000123,false,Rx,0,1,11,\n",
    b"base hex  timestamps relative\n   0.010000 1  123 Rx   d 1 11\n   0.010000 CANFD 1 Rx 123 1 0 1 1 11\n",
    BUSMASTER.format(base="HEX", mode="RELATIVE").encode() + b"09:00:00:4500 Rx 1 0x123 s 1 11\n",
]


@given(st.sampled_from(LINES), st.integers(0, 400), st.binary(max_size=6), st.integers(0, 8))
@examples(300)
def test_damage_is_counted_and_never_raises(lines: bytes, at: int, damage: bytes, lost: int) -> None:
    data = lines[:at] + damage + lines[at + lost :]
    head = text_lines.lines_of(data)
    reader = canlogs.recognised(head)
    if reader is None:
        return
    decoder = canlogs.Decoder(reader)
    for line in head:
        decoder.reads(line)
        for frame in decoder.feed(line, 0).frames:
            assert len(frame.data) <= 64


@given(st.binary(max_size=200))
def test_lines_are_returned_complete(data: bytes) -> None:
    found = [line for line in text_lines._LINE.findall(data) if line]
    assert b"".join(found) == data
