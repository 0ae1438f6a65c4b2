"""systemd gets READY once rows reach the log, and watchdog signals while the threads run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.field_failures.recorder_process import NumberedBus, has_rows, until, write_config


def test_ready_alive_and_stopping_arrive_in_this_order(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, NumberedBus() as bus:
        manager.bind(str(address))
        manager.settimeout(20)
        config = write_config(tmp_path, bus.port, stage=9)
        environment = os.environ | {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
        recorder = subprocess.Popen(
            [sys.executable, "-m", "logger", "run", "-c", str(config)],
            env=environment,
            stderr=subprocess.PIPE,
        )
        try:
            received = [manager.recv(4096).decode()]
            log = tmp_path / "logs" / "test-9-001.db"
            assert received[0].startswith("READY=1")
            assert log.exists()
            received += [manager.recv(4096).decode() for _ in range(3)]
            until(has_rows(log))
            assert received[1:] == ["WATCHDOG=1"] * 3
            recorder.send_signal(signal.SIGTERM)
            while received[-1] != "STOPPING=1":
                received.append(manager.recv(4096).decode())
        finally:
            recorder.kill()
            recorder.communicate()
