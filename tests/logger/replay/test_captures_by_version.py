"""CAN logs in every version and option of the other programs, and as saved by a shell or spreadsheet."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG
from logger.replay import canlogs
from tests.field_failures.recorder_process import query
from tests.logger.replay.capture_files import FULL, THREE, Frames, frames, replayed

WHEEL = 0x18FEF100 | EFF_FLAG
TWO: Frames = [(0, 0, 0x123, FULL), (10_000, 0, WHEEL, THREE)]
BUS_ERROR = ERR_FLAG | 0x80

CANDUMP = (
    "(1436509052.249713)  can0 123#1122334455667788\n(1436509052.259713) vcan0 18FEF100#010203\n".replace(
        "vcan0", "can0"
    )
)
SAVVYCAN = (
    "Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"
    "1000000,00000123,false,Rx,0,8,11,22,33,44,55,66,77,88,\n1010000,18FEF100,true,Rx,0,3,01,02,03,\n"
)
ASC = (
    "   1.000000 1  123             Rx   d 8 11 22 33 44 55 66 77 88  Length = 228000 BitCount = 118 ID = 291\n"
    "   1.010000 1  18FEF100x       Rx   d 3 01 02 03  Length = 0 BitCount = 0 ID = 419361024x\n"
)
ASC_HEAD = "date Mit Apr 16 09:21:13.159 2014\nbase hex  timestamps absolute\n// version 17.2.0\n"
BUSMASTER = (
    "***BUSMASTER Ver 2.4.0***\n***PROTOCOL CAN***\n***HEX***\n***SYSTEM MODE***\n"
    "***<Time><Tx/Rx><Channel><CAN ID><Type><DLC><DataBytes>***\n"
    "23:59:59:9950 Rx 1 0x123 s 8 11 22 33 44 55 66 77 88 \n00:00:00:0050 Tx 1 0x18FEF100 x 3 01 02 03 \n"
)
PYTHON_CAN = (
    "timestamp,arbitration_id,extended,remote,error,dlc,data\n"
    "1.1400000000000001,0x123,0,0,0,8,ESIzRFVmd4g=\n1.15,0x18fef100,1,0,0,3,AQID\n"
)
TRC_1_0 = """\
;   Start time: 29.02.2000 13:53:04.205
;---+--   ----+----  --+-----  + -+ -- -- -- -- -- -- -- --
     1)      1000  0123      8  11 22 33 44 55 66 77 88
     2)      1010  18FEF100  3  01 02 03
     3)      1020  0124      4  RTR
"""
TRC_1_1 = """\
;$FILEVERSION=1.1
;$STARTTIME=37704.5364870833
     1)      1000.0  Rx         0123  8  11 22 33 44 55 66 77 88
     2)      1010.0  Tx     18FEF100  3  01 02 03
     3)      1015.2  Warng  FFFFFFFF  4  00 00 00 08  BUSHEAVY
     4)      1020.0  Rx         0124  4  RTR
"""
TRC_1_2 = """\
;$FILEVERSION=1.2
     1)      1000.059 1  Rx         0123 8  11 22 33 44 55 66 77 88
     2)      1010.059 1  Tx     18FEF100 3  01 02 03
     3)      1020.059 1  Rx         0124 4  RTR
"""
TRC_1_3 = """\
;$FILEVERSION=1.3
     1)      1000.059 1  Rx         0123 -  8    11 22 33 44 55 66 77 88
     2)      1010.059 1  Tx     18FEF100 -  3    01 02 03
     3)      1020.059 1  Rx         0124 -  4    RTR
"""
TRC_2_0 = """\
;$FILEVERSION=2.0
;$COLUMNS=N,O,T,I,d,l,D
      1      1000.059 DT     0123 Rx 8  11 22 33 44 55 66 77 88
      2      1010.059 DT 18FEF100 Tx 3  01 02 03
      3      1015.059 ST          Rx    00 00 00 00
      4      1020.059 RR     0124 Rx 4
"""
TRC_2_1 = """\
;$FILEVERSION=2.1
;$COLUMNS=N,O,T,B,I,d,R,L,D
      1      1000.059 DT 1      0123 Rx -  8    11 22 33 44 55 66 77 88
      2      1010.059 DT 1  18FEF100 Tx -  3    01 02 03
      3      1020.059 RR 1      0124 Rx -  4
"""


def written(folder: Path, content: str | bytes, name: str = "capture.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content", [CANDUMP, SAVVYCAN, ASC_HEAD + ASC, BUSMASTER, PYTHON_CAN, TRC_1_1.replace("Warng", "Error")],
    ids=["candump", "savvycan", "asc", "busmaster", "python-can", "trc"],
)  # fmt: skip
@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),  # a Windows shell's ">"
        lambda text: gzip.compress(text.encode("utf-16-be").join((b"\xfe\xff", b""))),
        lambda text: b"".join(gzip.compress(line.encode()) for line in text.splitlines(keepends=True)),
    ],
    ids=["CR LF", "CR", "UTF-8 mark", "UTF-16", "UTF-16 gzipped", "gzipped in parts"],
)
def test_every_text_in_every_encoding_under_any_name(
    tmp_path: Path, content: str, saved: Callable[[str], bytes]
) -> None:
    found = frames(written(tmp_path, saved(content)), tmp_path)
    assert [frame for frame in found if not frame[2] & (ERR_FLAG | RTR_FLAG)] == TWO


@pytest.mark.parametrize("content", [TRC_1_0, TRC_1_1, TRC_1_2, TRC_1_3, TRC_2_0, TRC_2_1])
def test_peak_trc_of_every_version(tmp_path: Path, content: str) -> None:
    assert frames(written(tmp_path, content), tmp_path) == [*TWO, (20_000, 0, 0x124 | RTR_FLAG, "00" * 4)]


def test_peak_trc_with_can_fd_errors_and_damage(tmp_path: Path) -> None:
    twelve = "11 " * 12
    more = (
        f"      4      1030.059 FB 2      0124 Rx -  9    {twelve}\n"
        "      5      1040.059 ER 1         - Rx -  5    04 00 02 00 00\n"
        "      6      1050.0\0\xff\n"
        "      7      1060.059 DT 1      0123 Rx -  8    11 22\n"
    )
    outcome, log = replayed(written(tmp_path, TRC_2_1 + more), tmp_path)
    found = query(log, "SELECT bus, can_id, hex(data) FROM frame ORDER BY rowid")
    assert found[3:] == [(1, 0x124 | FD_FLAG | BRS_FLAG, "11" * 12), (0, BUS_ERROR, "00" * 8)]
    assert outcome.rows["rejected"] == 2


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("\x1b[34m  can0  \x1b[31m123   \x1b[0m[2]  \x1b[32m11 22\x1b[0m\n", [(0x123, "1122")]),  # -c
        ("  can0  123   [3]  33`22`11\n", [(0x123, "112233")]),  # -S
        ("  can0  123   [2]  00010001 00100010\n", [(0x123, "1122")]),  # -i
        ("  can0  123   [2]  00100010`00010001\n", [(0x123, "1122")]),  # -i -S
        (
            "  can0  20000088   [8]  00 00 00 19 00 00 00 00   ERRORFRAME\n\tprotocol-violation{{}{ack-slot}}\n"
            "\tbus-error\nDROPCOUNT: dropped 1 CAN frame on 'can0' socket (total drops 1)\n  can0  123   [0] \n",
            [(ERR_FLAG | 0x88, "0000001900000000"), (0x123, "")],  # -e -d
        ),
    ],
)
def test_candumps_options(tmp_path: Path, lines: str, expected: list[tuple[int, str]]) -> None:
    outcome, log = replayed(written(tmp_path, lines), tmp_path)
    assert "rejected" not in outcome.rows
    assert query(log, "SELECT can_id, hex(data) FROM frame ORDER BY rowid") == expected


@pytest.mark.parametrize(
    ("stamps_us", "expected_us"),
    [
        ([n // 2 * 10_000 for n in range(40)], [n // 2 * 10_000 for n in range(40)]),  # -t z, one bus on two interfaces
        ([n * 1000 - 3 * (n % 7 == 6) for n in range(40)], [n * 1000 - 3 * (n % 7 == 6) for n in range(40)]),
        ([10_000 + n % 3 * 1000 for n in range(12)], None),  # -t d, without its beginning
        ([1_700_000_000_000_000] * 12, [0] * 12),  # -t a, of a clock that stands still
    ],
)  # fmt: skip
def test_relative_stamps_of_candump(stamps_us: list[int], expected_us: list[int] | None) -> None:
    lines = [
        b" (%03d.%06d)  can0  123   [1]  01\n" % (stamp // 1_000_000, stamp % 1_000_000)
        for stamp in stamps_us
    ]
    reader = canlogs.recognised(lines)
    assert reader is not None
    decoder = canlogs.Decoder(reader)
    found = [decoder.stamp_us or 0 for line in lines if decoder.reads(line)]
    expected = expected_us or [sum(stamps_us[: n + 1]) for n in range(len(stamps_us))]
    assert [stamp - found[0] for stamp in found] == [stamp - expected[0] for stamp in expected]


def test_a_candump_line_without_an_end_counts_only_if_complete(tmp_path: Path) -> None:
    full, short = CANDUMP.splitlines()
    assert frames(written(tmp_path, f"{short}\n{full}"), tmp_path)[-1][2:] == (0x123, FULL)
    assert [frame[2] for frame in frames(written(tmp_path, f"{full}\n{short}", "short.txt"), tmp_path)] == [
        0x123
    ]


@pytest.mark.parametrize(
    "content",
    [
        SAVVYCAN.replace(",", ";"),
        SAVVYCAN.replace(",", "\t"),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in SAVVYCAN.splitlines()),
        SAVVYCAN.replace("1000000,", "1.000000,").replace("1010000,", "1.010000,").replace(",01,02", ",0x01,0X2"),
        SAVVYCAN.replace("1000000,", "4294967000,").replace("1010000,", "9704,"),  # 32 bits of an adapter's clock
    ],
    ids=["semicolons", "tabs", "quotes", "seconds", "wrap"],
)  # fmt: skip
def test_savvycan_as_saved_by_spreadsheets_and_adapters(tmp_path: Path, content: str) -> None:
    assert frames(written(tmp_path, content), tmp_path) == TWO


@pytest.mark.parametrize(
    "content",
    [
        ASC,
        ASC_HEAD + ASC.replace("123  ", "Lamp ").replace("18FEF100x", "Wheel    "),
        ASC_HEAD + ASC.replace("123  ", "ABCDE").replace("18FEF100x", "Wheel    "),
    ],
    ids=["lines alone", "names", "a name of hexadecimal letters"],
)
def test_asc_without_a_header_and_with_names(tmp_path: Path, content: str) -> None:
    assert frames(written(tmp_path, content), tmp_path) == TWO


@pytest.mark.parametrize("stamps", ["2026-01-15 09:00:00.{}", "0000000000.{}"], ids=["-t A", "-t z"])
def test_candump_logs_with_the_other_stamps(tmp_path: Path, stamps: str) -> None:
    lines = CANDUMP.replace("1436509052.249713", stamps.format("000000"))
    lines = lines.replace("1436509052.259713", stamps.format("010000"))
    dropped = "DROPCOUNT: dropped 1 CAN frame on 'can0' socket (total drops 1)\n"
    outcome, _ = replayed(written(tmp_path, lines.replace("\n", "\n" + dropped)), tmp_path / "counted")
    assert "rejected" not in outcome.rows
    assert frames(written(tmp_path, lines), tmp_path) == TWO


def test_candump_logs_with_times_between_frames(tmp_path: Path) -> None:
    stamps = ["000.000000", "000.010000", "000.010000", "000.005000"]
    lines = "".join(f"({stamp}) can0 123#0{n}\n" for n, stamp in enumerate(stamps))
    assert [frame[0] for frame in frames(written(tmp_path, lines), tmp_path)] == [0, 10_000, 20_000, 25_000]


def test_candump_with_raw_length_codes(tmp_path: Path) -> None:
    lines = f"  can0  123   {{2}}  11 22\n  can0  123   {{F}}  {' '.join(['33'] * 8)}\n"
    found = frames(written(tmp_path, lines), tmp_path)
    assert [frame[2:] for frame in found] == [(0x123, "1122"), (0x123, "33" * 8)]


@pytest.mark.parametrize("base", ["hex", "dec"])
def test_asc_with_names_that_are_numbers(tmp_path: Path, base: str) -> None:
    """A1 and 100 are names here; the identifier is at the end of the line."""
    lines = ASC.replace("123  ", "A1   " if base == "hex" else "100  ")
    if base == "dec":
        lines = lines.replace("11 22 33 44 55 66 77 88", "17 34 51 68 85 102 119 136")
        lines = lines.replace("18FEF100x", "419361024x")
    assert frames(written(tmp_path, ASC_HEAD.replace("hex", base) + lines), tmp_path) == TWO


def test_asc_with_a_remote_frame_of_a_can_fd_channel(tmp_path: Path) -> None:
    line = "   1.000000 CANFD   1 Rx   123     0 0 4  0  130000  130       10 0 0 0 0 0\n"
    found = frames(written(tmp_path, ASC_HEAD + line), tmp_path)
    assert [frame[2:] for frame in found] == [(0x123 | RTR_FLAG, "00" * 4)]


def test_peak_trc_1_0_with_the_headings_of_older_programs(tmp_path: Path) -> None:
    lines = TRC_1_0.replace(
        ";---+--   ----+----  --+-----  + -+ -- -- -- -- -- -- -- --", ";   |  +Time offset (ms)"
    )
    assert frames(written(tmp_path, lines), tmp_path)[:2] == TWO


def test_savvycan_with_decimal_commas(tmp_path: Path) -> None:
    lines = SAVVYCAN.replace(",", ";").replace("1000000;", "1,000000;").replace("1010000;", "1,010000;")
    assert frames(written(tmp_path, lines), tmp_path) == TWO


def test_busmaster_of_its_j1939_window(tmp_path: Path) -> None:
    head = BUSMASTER[: BUSMASTER.index("***<Time>")].replace("PROTOCOL CAN", "PROTOCOL J1939")
    head += (
        "***<Time><Channel><CAN ID><PGN><Type><Source Node><Destination Node><Priority><Tx/Rx><DLC>"
        "<DataBytes>***\n"
    )
    lines = (
        "09:00:00:0000 1 18fef100 00FEF1 BROADCAST 00 FF 6 Rx 3 01 02 03\n"
        "09:00:00:0100 1 18ecff00 00EC00 TP_BAM 00 FF 6 Rx 10 01 02 03 04 05 06 07 08 09 0A\n"
        "09:00:00:0200 1 0CF00431 00F004 BROADCAST 31 FF 3 Tx 1 FF\n"
    )
    outcome, log = replayed(written(tmp_path, head + lines), tmp_path)
    assert query(log, "SELECT can_id, lower(hex(data)) FROM frame") == [
        (WHEEL, THREE),
        (0x0CF00431 | EFF_FLAG, "ff"),
    ]
    assert outcome.rows["rejected"] == 1


def test_busmaster_with_sessions_of_two_modes(tmp_path: Path) -> None:
    second = BUSMASTER.replace("SYSTEM", "RELATIVE").replace("***HEX***", "***DEC***")
    second = second[: second.index("23:59")] + "00:00:00:0100 Rx 1 291 s 1 255\n"
    found = frames(written(tmp_path, second + BUSMASTER), tmp_path)
    assert [frame[2:] for frame in found] == [(0x123, "ff"), *(frame[2:] for frame in TWO)]
