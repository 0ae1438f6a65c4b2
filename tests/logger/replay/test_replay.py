"""Replay: a log gives exactly the recorded rows; other programs' captures become complete logs."""

from __future__ import annotations

import re
import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import LogError
from firmware_bridge.protocols import protocol
from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from logger.logfile.rows import TABLES
from logger.logfile.verify import verify
from logger.replay import captures
from logger.replay.canlogs import Decoder
from logger.replay.canlogs.candump import Candump
from logger.replay.replay import Capture
from logger.replay.replay_to_log import Outcome, replay
from tests.examples import examples
from tests.field_failures.recorder_process import query
from tests.firmware_bridge.wire import CAN_PROTOCOLS
from tests.logger.command_line import ROOT, stagelog
from tests.logger.short_stage import simulated

CORPUS = ROOT / "../shared/corpus"
CANDUMP = CORPUS / "can/nmea2000_2014.candump.log"
ANSWER = CanFrame(0, 0, 0x7E8, bytes.fromhex("04410C1AF8000000"))
"""OBD-II: 1726 revolutions per minute."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("recorded"))


def made(capture: Capture, folder: Path) -> tuple[Outcome, Path]:
    """The outcome of a replay, and its log, which is complete."""
    shares: list[float] = []
    outcome = replay(capture, folder, shares.append)
    assert outcome.log is not None
    assert verify(outcome.log) == []
    assert shares == sorted(shares)
    return outcome, outcome.log


def content(log: Path, table: str) -> list[tuple[object, ...]]:
    """A table's rows in order, channels by name."""
    if table == "reading":
        return query(
            log,
            "SELECT session, t_us, name, unit, source, value FROM reading"
            " JOIN channel ON channel.id = reading.channel ORDER BY reading.rowid",
        )
    return query(log, f"SELECT * FROM {table} ORDER BY rowid")


def test_a_log_gives_the_same_rows(recorded: Path, tmp_path: Path) -> None:
    outcome, log = made(Capture(recorded), tmp_path)
    for table in ("sentence", "frame", "fix", "clock", "reading", "progress"):
        rows = content(recorded, table)
        assert rows, table
        assert content(log, table) == rows, table
        assert outcome.rows[table] == len(rows)
    kinds = "SELECT t_us, kind, detail FROM event WHERE kind NOT LIKE 'session_%' ORDER BY rowid"
    assert query(log, kinds) == query(recorded, kinds)
    for key in ("itinerary", "dbc:demo_engine.dbc", "car", "ports", "buses"):
        text = f"SELECT value FROM meta WHERE key = '{key}'"
        assert query(log, text) == query(recorded, text) != []


def test_a_replay_of_a_replay_is_the_same_again(recorded: Path, tmp_path: Path) -> None:
    _, once = made(Capture(recorded), tmp_path / "once")
    _, twice = made(Capture(once), tmp_path / "twice")
    for table in TABLES:
        if table != "event":
            assert content(twice, table) == content(once, table), table


def test_frames_decode_again_from_the_dbc_in_the_log(recorded: Path, tmp_path: Path) -> None:
    """Other decoders give new readings; the log's own DBC gives its own, ten times per second."""
    found = query(recorded, "SELECT key, value FROM meta WHERE key LIKE 'dbc:%'")
    texts = {str(key).removeprefix("dbc:"): str(text) for key, text in found}
    _, log = made(Capture(recorded, dbc_texts=texts), tmp_path)
    before = {(row[1], row[2]): row[5] for row in content(recorded, "reading")}
    again = {(row[1], row[2]): row[5] for row in content(log, "reading")}
    assert {name for _, name in again} == {name for _, name in before}
    assert len(again) == len(before)
    # A log does not record which frames came in one chunk: near a beat the newest may be one period off.
    same = before.keys() & again.keys()
    assert len(same) > 0.9 * len(before)
    assert all(again[key] == before[key] for key in same)


def test_the_command_prints_a_summary(recorded: Path, tmp_path: Path) -> None:
    ended = stagelog("replay", recorded, folder=tmp_path)
    assert ended.code == 0
    assert re.search(r"^rows: .*frame \d+", ended.out)
    assert re.search(r"^rpm: \d.* to \d.* 1/min$", ended.out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


NMEA_LOGS = sorted((CORPUS / "nmea").glob("*.log")) or [CORPUS / "nmea/none.log"]


@pytest.mark.skipif(not NMEA_LOGS[0].exists(), reason="the corpus is not beside this checkout")
@pytest.mark.parametrize("text", NMEA_LOGS, ids=lambda path: path.stem)
def test_nmea_texts_of_others_become_complete_logs(tmp_path: Path, text: Path) -> None:
    outcome, log = made(Capture(text), tmp_path)
    assert outcome.rows["sentence"] > 0
    assert query(log, "SELECT count(*) FROM sentence") == [(outcome.rows["sentence"],)]
    positions = query(log, "SELECT count(*) FROM fix WHERE lat = 0 AND lon = 0")[0][0]
    assert positions == 0
    assert outcome.rows["sentence"] <= len(re.findall(rb"\*[0-9A-Fa-f]{2}", text.read_bytes()))


@pytest.mark.skipif(not CANDUMP.exists(), reason="the corpus is not beside this checkout")
def test_a_candump_log_of_others_becomes_a_complete_log(tmp_path: Path) -> None:
    outcome, log = made(Capture(CANDUMP), tmp_path)
    lines = [line for line in CANDUMP.read_text().splitlines() if not line.startswith("#")]
    assert outcome.rows["frame"] == len(lines)
    frames = query(log, "SELECT t_us, can_id, data FROM frame ORDER BY rowid")
    first = float(lines[0].split()[0].strip("()"))
    for line, (t_us, can_id, data) in zip(lines, frames, strict=True):
        stamp, _, frame = line.split()
        identifier, payload = frame.split("#")
        assert can_id == int(identifier, 16) | EFF_FLAG
        assert data == bytes.fromhex(payload)
        assert abs(int(str(t_us)) - (float(stamp.strip("()")) - first) * 1e6) < 100
    assert "rejected" not in outcome.rows


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"(1.0) can0 123#\n", CanFrame(9, 0, 0x123, b"")),
        (b"(1.000001) can0 123#0102\r\n", CanFrame(9, 0, 0x123, b"\x01\x02")),
        (b"(1.0) vcan0 00000123#ff R\n", CanFrame(9, 0, 0x123 | EFF_FLAG, b"\xff")),
        (b"(1.0) can0 123#R\n", CanFrame(9, 0, 0x123 | RTR_FLAG, b"")),
        (b"(1.0) can0 123#R4\n", CanFrame(9, 0, 0x123 | RTR_FLAG, bytes(4))),
        (b"(1.0) can0 123##0AA\n", CanFrame(9, 0, 0x123 | FD_FLAG, b"\xaa")),
        (
            b"(1.0) can0 123##3" + b"AB" * 64 + b"\n",
            CanFrame(9, 0, 0x123 | FD_FLAG | BRS_FLAG | ESI_FLAG, b"\xab" * 64),
        ),
        (b"(1.0) can0 20000080#0000000000000000\n", CanFrame(9, 0, 0x80 | ERR_FLAG, bytes(8))),
        (b"(1.0) can0 123#1122334455667788_C\n", CanFrame(9, 0, 0x123, bytes.fromhex("1122334455667788"))),
    ],
)
def test_every_form_of_a_candump_line(line: bytes, frame: CanFrame) -> None:
    decoder = Decoder(Candump())
    assert decoder.feed(line, 9) == (FrameColumns.of([frame]), [], [], [])
    assert (decoder.good, decoder.bad) == (1, 0)
    assert decoder.stamp_us in {1_000_000, 1_000_001}


@pytest.mark.parametrize(
    "line",
    [
        b"(1.0) can0 123#0102",  # its end is missing: perhaps some of its data too
        b"(1.0) can0 123#010\n",
        b"(1.0) can0 1234#01\n",
        b"(1.0) can0 123#112233445566778899\n",
        b"(x) can0 123#01\n",
        b"can0  123   [2]  01 02\n",
        b"\xff\xfe\n",
    ],
)
def test_lines_that_are_not_frames_are_counted(line: bytes) -> None:
    decoder = Decoder(Candump())
    batch = decoder.feed(line, 9)
    assert batch.frames == []
    assert [rejected.data for rejected in batch.rejected] == [line.rstrip()]
    assert (decoder.good, decoder.bad) == (0, 1)


def test_a_truncated_candump_log_keeps_complete_frames(tmp_path: Path) -> None:
    text = "# a remark\n\n" + "".join(f"({n // 10}.{n % 10}) can{n % 2} 123#{n:016X}\n" for n in range(100))
    (tmp_path / "cut.log").write_text(text[:-5])
    outcome, log = made(Capture(tmp_path / "cut.log"), tmp_path)
    assert outcome.rows["frame"] == 99
    assert outcome.rows["rejected"] == 1
    assert query(log, "SELECT DISTINCT bus FROM frame ORDER BY bus") == [(0,), (1,)]
    assert outcome.duration_s == pytest.approx(9.8, abs=0.001)


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
def test_raw_bytes_of_a_port(tmp_path: Path, name: str) -> None:
    spoken = protocol(name)
    assert spoken.report is not None
    sent = [CanFrame(0, 0, 0x123, n.to_bytes(8, "big")) for n in range(500)]
    (tmp_path / "caught.bin").write_bytes(b"".join(map(spoken.report, [*sent, ANSWER])))
    outcome, log = made(Capture(tmp_path / "caught.bin", name, presets=("obd2",)), tmp_path)
    rows = query(log, "SELECT can_id, data FROM frame ORDER BY rowid")
    assert rows == [(frame.can_id, frame.data) for frame in [*sent, ANSWER]]
    assert outcome.engine["rpm"][:2] == (1726.0, 1726.0)
    assert outcome.duration_s == pytest.approx(
        (tmp_path / "caught.bin").stat().st_size * 10 / 115_200, abs=0.05
    )


def test_a_slcan_capture_through_the_command(tmp_path: Path) -> None:
    (tmp_path / "caught.bin").write_bytes(b"V1013\r\r" + b"t1238DEADBEEF01234567\r" * 300 + b"t12")
    ended = stagelog("replay", "caught.bin", "--protocol", "slcan", "-o", "made", folder=tmp_path)
    assert ended.code == 0
    assert "frame 300" in ended.out
    assert ended.out.splitlines()[-1] == "log: made/caught-replay.db"
    assert stagelog("verify", "made/caught-replay.db", folder=tmp_path).code == 0


@pytest.mark.parametrize("ending", ["asc", "blf", "trc", "csv"])
def test_can_logs_of_python_can(tmp_path: Path, ending: str) -> None:
    can = pytest.importorskip("can")
    path = tmp_path / f"other.{ending}"
    with can.Logger(str(path)) as writer:
        for number in range(200):
            writer(
                can.Message(
                    timestamp=1_768_446_000 + number / 100,
                    arbitration_id=0x123 + (number % 2 << 20),
                    is_extended_id=bool(number % 2),
                    data=number.to_bytes(8, "big"),
                    channel=1,
                )
            )
    outcome, log = made(Capture(path), tmp_path)
    assert outcome.rows["frame"] == 200
    ids = query(log, "SELECT can_id, data FROM frame ORDER BY rowid LIMIT 2")
    assert ids == [(0x123, bytes(8)), (0x100123 | EFF_FLAG, (1).to_bytes(8, "big"))]
    assert outcome.duration_s == pytest.approx(1.99, abs=0.01)


@pytest.mark.parametrize(
    ("ending", "damage", "message"),
    [
        ("csv", b"0.5,12", "1 lines are damaged or cannot be read"),
        ("blf", b"LOBJ" + bytes(28), "damaged after 50 frames"),
    ],
)
def test_a_damaged_can_log_is_read_up_to_the_damage_with_a_warning(
    tmp_path: Path, ending: str, damage: bytes, message: str
) -> None:
    can = pytest.importorskip("can")
    path = tmp_path / f"other.{ending}"
    with can.Logger(str(path)) as writer:
        for number in range(50):
            writer(can.Message(timestamp=1 + number / 100, arbitration_id=0x123, data=bytes(8)))
    path.write_bytes(path.read_bytes() + damage)
    ended = stagelog("replay", path, folder=tmp_path)
    assert ended.code == 0
    assert "frame 50" in ended.out
    assert message in ended.err


@given(st.lists(st.integers(-(10**18), 10**18), max_size=50), st.booleans())
@examples(200)
def test_impossible_stamps_never_stall_a_replay(stamps: list[int], wraps: bool) -> None:
    clock = captures.SessionClock(86_400_000_000 if wraps else None)
    times = [clock.at(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert all(after - before < 3_600_000_001 for before, after in pairwise(times))


def test_midnight_and_disorder_among_stamps() -> None:
    day_us, second_us = 86_400_000_000, 1_000_000
    clock = captures.SessionClock(day_us)
    stamps = [day_us - 2 * second_us, day_us - second_us, 0, second_us]
    assert [clock.at(stamp) // second_us for stamp in stamps] == [0, 1, 2, 3]
    clock = captures.SessionClock()
    assert [clock.at(stamp) for stamp in (5_000_000, 5_200_000, 5_100_000, 5_300_000)] == [
        0,
        200_000,
        200_000,
        300_000,
    ]


def test_a_damaged_stamp_adds_a_second_not_a_century(tmp_path: Path) -> None:
    lines = ["(5.0) can0 123#00", "(999999999999.0) can0 123#01", "(5.1) can0 123#02"]
    (tmp_path / "jump.log").write_text("\n".join(lines) + "\n")
    outcome, _ = made(Capture(tmp_path / "jump.log"), tmp_path)
    assert outcome.rows["frame"] == 3
    assert outcome.duration_s == pytest.approx(2.0, abs=0.1)


def test_a_text_without_line_ends_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "long.nmea").write_bytes(b"$GPRMC,,V,,,,,,,,,,N*53\r\n" + b"A" * 3_000_000)
    outcome, _ = made(Capture(tmp_path / "long.nmea"), tmp_path)
    assert outcome.rows["sentence"] == 1


def test_a_log_with_damaged_pages_gives_one_line(recorded: Path, tmp_path: Path) -> None:
    data = bytearray(recorded.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    (tmp_path / "damaged.db").write_bytes(data)
    with pytest.raises(LogError) as caught:
        replay(Capture(tmp_path / "damaged.db"), tmp_path, lambda _done: None)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.db"]


def test_sessions_are_kept(recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "two.db"
    copy.write_bytes(recorded.read_bytes())
    connection = sqlite3.connect(copy)
    connection.execute("INSERT INTO session SELECT 2, boot_id, started_utc, software, config FROM session")
    for table in ("sentence", "frame", "reading", "event"):
        columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")][1:]
        names = ", ".join(columns)
        connection.execute(f"INSERT INTO {table} SELECT 2, {names} FROM {table} WHERE t_us < 60000000")
    connection.commit()
    connection.close()
    _, log = made(Capture(copy), tmp_path)
    for table in ("sentence", "frame", "reading"):
        assert content(log, table) == content(copy, table)
    assert query(log, "SELECT id FROM session") == [(1,), (2,)]


def test_obd_answers_with_several_pids_and_in_several_frames(tmp_path: Path) -> None:
    case = Path(__file__).parents[2] / "field_cases" / "can" / "obd_multi_pid.log"
    capture = tmp_path / "capture.log"
    capture.write_text(
        f"{case.read_text().strip()}\n"
        "(1700000002.4) can0 7E8#100B410CFFF80D50\n"
        "(1700000002.5) can0 7E9#0341057B\n"
        "(1700000002.6) can0 7E8#21110442FF000000\n"
    )
    _, log = made(Capture(capture, presets=("obd2",)), tmp_path)
    found = [(str(row[2]), row[5]) for row in content(log, "reading")]
    assert found[:2] == [("rpm", 1726.0), ("speed_kmh", 50.0)]
    assert dict(found[2:]) == {
        **{"coolant_c": 83.0, "rpm": 16382.0, "speed_kmh": 80.0, "battery_v": 65.28},
        "throttle_pct": pytest.approx(4 / 2.55),
    }
