"""F22: a server that sends the live database file gives corrupt copies; each download here is whole."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.transfer import ledger
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    integrity,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.crew.serving import serving
from tests.logger.logfile.rows_made import META, START
from tests.logger.transfer.cut_line import CutLine
from tests.logger.transfer.logs_made import large_rows

CUTS = 50
START_S = 40.0
DOWNLOADS = 8
EARLIER_FRAMES = 300_000


def recorded(log: Path) -> list[int]:
    """The numbers of the frames of the newest session, in order."""
    rows = query(log, "SELECT data FROM frame WHERE session = (SELECT max(id) FROM session) ORDER BY rowid")
    return [int.from_bytes(row[0], "big") for row in rows if isinstance(row[0], bytes)]


def test_f22_every_download_during_recording_is_whole(tmp_path: Path, figures: Figures) -> None:
    log, copy = tmp_path / "logs" / "test-22-001.db", tmp_path / "copy.db"
    with NumberedBus(rate=500) as bus:
        config = write_config(tmp_path, bus.port, stage=22)
        car = tmp_path / "car"
        car.mkdir()
        with recording(config) as recorder, serving(car, tmp_path / "x.sock", logs=log.parent) as server:
            until(has_rows(log), START_S)
            lengths = [0]
            for _ in range(DOWNLOADS):
                until(lambda: len(recorded(log)) > lengths[-1])
                response = server.ask(f"/api/logs/{log.name}", headers={"cache-control": "max-age=0"})
                copy.write_bytes(response.body)
                assert response.headers["etag"] == f'"{hashlib.sha256(response.body).hexdigest()}"'
                assert integrity(copy) == "ok"
                assert verify(copy) == []
                recorded_numbers = recorded(copy)
                assert recorded_numbers == list(
                    range(recorded_numbers[0], recorded_numbers[0] + len(recorded_numbers))
                )
                lengths.append(len(recorded_numbers))
            stop(recorder)
    figures.note(
        f"{DOWNLOADS} downloads of a log that grew from {lengths[1]} to {lengths[-1]} frames, all whole"
    )
    assert lengths == sorted(set(lengths)), "each is a later one"


def test_f22_a_download_is_whole_after_fifty_cuts_and_a_killed_server(
    tmp_path: Path, figures: Figures
) -> None:
    """A laptop at the edge of the Wi-Fi: the file has the announced hash and passes verify."""
    path, laptop, car = tmp_path / "logs" / "test-22-001.db", tmp_path / "laptop", tmp_path / "car"
    car.mkdir()
    with NumberedBus(rate=1000) as bus:
        config = write_config(tmp_path, bus.port, stage=22)
        with recording(config) as recorder:
            until(has_rows(path), START_S)
            stop(recorder)
    earlier = Log(path)  # earlier sessions of the day
    earlier.begin_session(START, META)
    earlier.write(large_rows(EARLIER_FRAMES, 0))
    earlier.close()
    with NumberedBus(rate=1000) as bus:
        config = write_config(tmp_path, bus.port, stage=22)
        with recording(config) as recorder:
            until(lambda: len(recorded(path)) > 500 and path.with_name(path.name + "-wal").exists(), START_S)
            with serving(car, tmp_path / "x.sock", logs=path.parent) as server:
                port = server.port
                with CutLine(port, CUTS // 2, 1_500_000, seed=22, silent_at=15_000_000) as line:
                    command = [sys.executable, "-m", "logger", "fetch", f"127.0.0.1:{line.port}", str(laptop)]
                    first = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE)
                    # Where the car has made a newer copy of the growing log meanwhile, the old part is deleted first.
                    until(
                        lambda: (
                            (line.cuts >= CUTS // 2 - 5 and any(laptop.glob("*.part")))
                            or first.poll() is not None
                        ),
                        300,
                    )
                    ended = first.poll()
                    first.kill()
                    _, output = first.communicate()
                    assert ended is None, f"fetch ended before it was to be killed: {output.decode()}"
                    cuts = line.cuts
                (part,) = laptop.glob("*.part")
                announced, had = part.name.split(".")[-2], part.stat().st_size
                server.process.send_signal(signal.SIGKILL)
            with (
                serving(car, tmp_path / "x.sock", logs=path.parent) as server,
                CutLine(server.port, CUTS - cuts, 1_000_000, seed=23) as line,
            ):
                done = stagelog("fetch", f"127.0.0.1:{line.port}", str(laptop), folder=tmp_path)
                assert (done.code, done.out.endswith("whole\n")) == (0, True), done
                cuts += line.cuts
            bus.silence()
            stop(recorder)
    copy = laptop / path.name
    figures.note(
        f"{copy.stat().st_size / 1e6:.1f} MB, {cuts} cuts, {had / 1e6:.1f} MB kept across two restarts"
    )
    assert cuts == CUTS
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == announced
    assert [noted.sha256 for noted in ledger.read(car / "state")] == [announced]
    assert verify(copy) == []
    assert len(query(copy, "SELECT 1 FROM frame WHERE length(data) = 64")) == EARLIER_FRAMES
    recorded_numbers = recorded(path)
    assert recorded_numbers == list(range(recorded_numbers[0], len(bus.sent_at))), (
        "the recorder lost no frame"
    )
    assert verify(path) == []
