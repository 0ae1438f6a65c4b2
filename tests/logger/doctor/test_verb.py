"""The verb `doctor`: its document, a wrong configuration, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.field_failures.recorder_process import until
from tests.firmware_bridge.simulated_devices import pty
from tests.logger.command_line import stagelog
from tests.logger.doctor.examining import CAN_ONLY, picky


def test_json_output(tmp_path: Path) -> None:
    with pty() as device:
        config = tmp_path / "stagelog.toml"
        config.write_text(
            f'[live]\nsocket = "live.sock"\n[log]\ndirectory = "logs"\n[gps]\nport = "{device.name}"\nbaud = 9600\n'
        )
        result = stagelog("doctor", "-c", config, "--json", "--seconds", "1", folder=tmp_path)
    document = json.loads(result.out)
    assert result.code == 1
    assert document["wrong"] == sum(finding["verdict"] == "wrong" for finding in document["findings"]) == 2
    assert {"verdict", "where", "what", "hint"} == set(document["findings"][0])
    assert [finding["where"] for finding in document["findings"] if finding["verdict"] == "wrong"] == [
        "port gps", f"disk {tmp_path / 'logs'}"
    ]  # fmt: skip


def test_a_wrong_configuration_is_reported_and_the_machine_still_examined(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text('[gsp]\nport = "/dev/x"\n[log]\nmin_free_mb = -1\n')
    result = stagelog("doctor", "-c", config, folder=tmp_path)
    assert result.code == 1
    lines = [line for line in result.out.splitlines() if line.startswith("WRONG")]
    assert len(lines) >= 2
    assert "gsp" in result.out
    assert "power" in result.out
    assert stagelog("doctor", "-c", tmp_path / "none.toml", folder=tmp_path).code == 1


def test_ctrl_c_ends_the_examination_and_closes_the_adapter(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="true"))
    with picky(tmp_path) as adapter:
        adapter.CODE = "6"
        process = subprocess.Popen(
            [sys.executable, "-m", "logger", "doctor", "-c", str(config), "--seconds", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        until(lambda: adapter.is_open)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        until(lambda: not adapter.is_open)
    assert process.returncode == 130
    assert b"Traceback" not in err
