"""F15: the disk is full. A small real file system, with the recorder and the crew server as processes.

Only the retention rule removes old logs, the crew page works, committed rows stay, and recording continues when there
is space again.
"""

from __future__ import annotations

import errno
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.config import configuration as configs
from logger.logfile.open_or_quarantine import open_again, open_log
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.recorder import writer
from logger.recorder.daemon import Recorder
from logger.retention.log_directory import protect
from logger.transfer import ledger
from logger.transfer.state import state_of
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
)
from tests.field_failures.small_disk import filled, small_disk
from tests.figures import Figures
from tests.logger.crew.serving import Served, serving
from tests.logger.logfile.rows_made import META, START, frames, write_log
from tests.logger.recorder.driving import START_S, built_in

DISK_MB, MIN_FREE_MB = 24, 6
OLD_ROWS = 80_000
"""About 2 MB each."""
RATE = 2000
PATIENCE_S = 30.0
CONFIG = """\
[log]
directory = "{logs}"
min_free_mb = {min_free_mb}
[gps]
port = "{gps}"
baud = 115200
[[can]]
name = "engine"
port = "{can}"
protocol = "slcan"
baud = 2000000
[live]
socket = "{live}"
[serve]
state = "{state}"
"""


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "logs", DISK_MB) as folder:
        yield folder


def old_log(folder: Path, number: int, *, ledgers: Path | None) -> Path:
    path = write_log(folder / f"drive-{number:03d}.db", frames(OLD_ROWS), durable=False)
    if ledgers is not None:
        state = state_of(path)
        ledger.add(ledgers, ledger.Delivered(path.name, state.session, state.t_us, 1, "0" * 64, "1970"))
    return path


def configured(tmp_path: Path, gps: str, can: str) -> Path:
    path = tmp_path / "stagelog.toml"
    text = CONFIG.format(
        logs=tmp_path / "logs", min_free_mb=MIN_FREE_MB, gps=gps, can=can, live=tmp_path / "live.sock",
        state=tmp_path / "crew",
    )  # fmt: skip
    path.write_text(text)
    return path


def live(server: Served) -> dict[str, Any]:
    response = server.ask("/api/live")
    assert response.status == 200, response.body
    snapshot: dict[str, Any] = response.json
    return snapshot


def alarms(server: Served) -> set[str]:
    return {alarm["name"] for alarm in live(server)["alarms"]}


def is_on_the_page(server: Served) -> bool:
    """Whether the page gets the recorder's state."""
    return bool(server.ask("/api/live").json.get("recording"))


def test_f15_old_logs_are_removed_by_rule_and_recording_recovers(
    tmp_path: Path, logs: Path, figures: Figures
) -> None:
    (tmp_path / "crew").mkdir()
    old = {
        1: old_log(logs, 1, ledgers=tmp_path / "crew"),
        2: old_log(logs, 2, ledgers=None),
        3: old_log(logs, 3, ledgers=logs),
        4: old_log(logs, 4, ledgers=logs),
        5: old_log(logs, 5, ledgers=tmp_path / "crew"),
    }
    protect(old[3])
    present = logs / "drive-006.db"
    (logs / "ballast").write_bytes(bytes(shutil.disk_usage(logs).free - 7_000_000))
    with (
        VirtualCar(built_in()[2], start_s=START_S, gps_hz=5) as car,
        NumberedBus(RATE) as bus,
        recording(configured(tmp_path, car.gps_port, bus.port)) as process,
        serving(tmp_path / "crew", live_socket=tmp_path / "live.sock") as server,
    ):
        until(has_rows(present, RATE), PATIENCE_S)
        until(lambda: not old[1].exists(), PATIENCE_S)
        assert [number for number, path in old.items() if path.exists()] == [2, 3, 4, 5], (
            "only as many as needed"
        )
        until(lambda: "disk" in alarms(server), 2 * PATIENCE_S)
        with filled(logs):
            full_at = time.monotonic()
            until(lambda: "disk" in (live(server)["recording"]["trouble"] or ""), PATIENCE_S)
            assert not live(server)["recording"]["ok"]
            until(lambda: live(server)["speed_kmh"] is not None, PATIENCE_S)  # live values continue
            until(lambda: "log" in alarms(server), PATIENCE_S)
            time.sleep(max(0.0, full_at + 4.0 - time.monotonic()))
            assert process.poll() is None
            until(lambda: len(bus.sent_at) > len(numbers(present)) + 2 * RATE, PATIENCE_S)  # the disk is full
            sent = len(bus.sent_at)
        freed_at = time.monotonic()
        until(lambda: live(server)["recording"]["ok"], PATIENCE_S)
        recovered_s = time.monotonic() - freed_at
        until(has_rows(present, sent), PATIENCE_S)
        bus.silence()
        assert live(server)["recording"]["dropped"] == 0
        stop(process)
    kept = numbers(present)
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert kept[-1] + 1 >= len(bus.sent_at)
    assert verify(present) == []
    assert query(present, "SELECT count(*) FROM session") == [(1,)], "no restart"
    removed = [
        json.loads(str(row[0]))
        for row in query(present, "SELECT detail FROM event WHERE kind = 'log_removed'")
    ]
    may_go = [old[1], old[4], old[5]]
    assert [log["name"] for log in removed] == [path.name for path in may_go][: len(removed)], (
        "the oldest first"
    )
    assert {log["why"] for log in removed} == {"downloaded"}
    assert old[2].exists(), "it was not downloaded"
    assert old[3].exists(), "it is protected"
    figures.note(
        f"5 old logs on a full {DISK_MB} MB disk: {len(removed)} removed (downloaded, the oldest first),"
        f" {5 - len(removed)} kept; full for 4 s at {RATE} frames/s: 0 of {len(bus.sent_at)} frames lost,"
        f" recording again {recovered_s:.1f} s after space was freed"
    )


def test_f15_protected_logs_and_those_not_downloaded_are_kept(tmp_path: Path, logs: Path) -> None:
    (tmp_path / "crew").mkdir()
    old = [old_log(logs, 1, ledgers=None), old_log(logs, 2, ledgers=logs)]
    protect(old[1])
    (logs / "ballast").write_bytes(bytes(shutil.disk_usage(logs).free - 3_000_000))
    with (
        NumberedBus(RATE) as bus,
        recording(configured(tmp_path, str(tmp_path / "no-gps"), bus.port)) as process,
    ):
        until(has_rows(logs / "drive-003.db", 3 * RATE), PATIENCE_S)
        stop(process)
    assert all(path.exists() for path in old)
    assert verify(old[0]) == verify(old[1]) == []


def test_f15_dropped_rows_are_counted_and_shown(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    monkeypatch.setattr(writer, "QUEUE_BYTES", 1_000_000)  # full within seconds instead of half a minute
    present = logs / "drive-001.db"
    with NumberedBus(RATE) as bus:
        recorder = Recorder(configs.load(configured(tmp_path, str(tmp_path / "no-gps"), bus.port)))
        halt = threading.Event()
        thread = threading.Thread(target=recorder.run, args=(halt,))
        thread.start()
        until(has_rows(present, RATE), PATIENCE_S)
        with filled(logs):
            until(lambda: recorder.status().writer.dropped > RATE, PATIENCE_S)
            shown = recorder.status().writer
            assert not shown.ok
            assert shown.dropped > RATE
        until(lambda: recorder.status().writer.ok, PATIENCE_S)
        bus.silence()
        halt.set()
        thread.join(60)
    recorded = numbers(present)
    missing = max(len(bus.sent_at), recorded[-1] + 1) - recorded[0] - len(recorded)
    counted_sql = "SELECT coalesce(sum(json_extract(detail, '$.frame')), 0) FROM event WHERE kind = 'dropped'"
    counted = int(str(query(present, counted_sql)[0][0]))
    figures.note(
        f"beyond the queue {missing} of {len(bus.sent_at)} frames dropped, {counted} counted in the log"
    )
    assert missing == counted > RATE
    assert recorded == sorted(set(recorded))
    assert verify(present) == []


def test_f15_a_start_on_a_full_disk_removes_old_logs_by_rule(
    tmp_path: Path, logs: Path, figures: Figures
) -> None:
    (tmp_path / "crew").mkdir()
    old = [old_log(logs, number, ledgers=tmp_path / "crew") for number in (1, 2, 3, 4)]
    with filled(logs), NumberedBus(RATE) as bus:
        with recording(configured(tmp_path, str(tmp_path / "no-gps"), bus.port)) as process:
            until(has_rows(logs / "drive-005.db", RATE), PATIENCE_S)
            stop(process)
        left = [path.name for path in old if path.exists()]
    removed = query(
        logs / "drive-005.db", "SELECT json_extract(detail, '$.name') FROM event WHERE kind = 'log_removed'"
    )
    assert [path.name for path in old if path.name not in left] == [str(row[0]) for row in removed] != []
    assert left == [path.name for path in old][len(removed) :], "the oldest were removed"
    figures.note(f"start on a completely full disk: {len(removed)} downloaded logs removed, {len(left)} kept")


def test_f15_a_card_that_refuses_the_quarantine_loses_no_row(tmp_path: Path) -> None:
    """The writer thread tries again until the card accepts writes; then every row is written."""
    first, _ = open_log(tmp_path / "a-001.db")
    first.begin_session(START, META)
    is_writable = threading.Event()

    def again(lost: Log, called_damaged: int, _begins_us: int) -> Log:
        if not is_writable.is_set():
            raise OSError(errno.EROFS, "Read-only file system")
        return open_again(lost, lambda _aside: Rows(), called_damaged=called_damaged)[0]

    owner = writer.Writer(first, max_loss_s=0.1, open_again=again, clock_us=lambda: 0)
    first._connection.close()  # every use of it fails from here on
    thread = threading.Thread(target=owner.run)
    thread.start()
    owner.put(frames(50))
    until(lambda: "Read-only" in owner.status().trouble)
    is_writable.set()
    until(lambda: owner.status().ok and owner.status().frames == 50)
    owner.close()
    thread.join(10)
    assert numbers(tmp_path / "a-001.db") == list(range(50))
