"""`stagelog watch` on a terminal, in a pipe, and with --once."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from logger.crew.feed import News
from logger.crew.terminal import GONE_S, line, picture
from tests.field_failures.recorder_process import until
from tests.logger.crew.live_car import LiveCar
from tests.logger.json_documents import checked

WATCH = """
import sys
from firmware_bridge.errors import DeviceError
from logger.crew.verbs import watch
try:
    watch(sys.argv[1:])
except DeviceError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCar]:
    with LiveCar(tmp_path_factory.mktemp("car") / "live.sock", 2.0) as driven:
        yield driven


def drawn(state: dict[str, Any] | None, age_s: float = 0.0, why: str = "") -> str:
    console = Console(width=110, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(picture(News(0.0, state, why), age_s))
        return console.export_text()


def watch(*options: str) -> list[str]:
    return [sys.executable, "-c", WATCH, *options]


def test_the_picture_shows_the_snapshot(car: LiveCar) -> None:
    until(lambda: bool(car.history))
    state = json.loads(json.dumps(car.published))
    state["alarms"] = [
        {"name": "alternator", "level": "critical", "message": "no charge", "acknowledged": False}
    ]
    text = drawn(state)
    parts = [
        "Dakar 2026 · 11 · Bisha - Al Henakiyah",
        "alternator: no charge",
        "14.1 V",
        "quality 1, 12 satellites",
    ]
    parts += [f"{state['speed_kmh']:.0f} km/h (gps)", f"{state['section']['distance_km']:.2f} of 346.0"]
    for part in parts:
        assert part in text
    assert "s old" not in text
    assert "3 s old: the recorder is silent" in drawn(state, 3.0)
    assert "Dakar" not in drawn(state, GONE_S + 1)
    assert "No live state: the recorder disconnected" in drawn(None, why="the recorder disconnected")


@pytest.mark.parametrize("state", [{}, {"section": None, "gps": None, "trip": None, "alarms": None}])
def test_an_empty_snapshot_is_drawn(state: dict[str, Any]) -> None:
    assert "--" in drawn(state)
    assert "-- km/h" in line(News(0.0, state), 0.0)


def test_a_split_shows_its_gap_and_the_other_car() -> None:
    split = {"name": "CP1", "km": 43.0, "elapsed_s": 1470.98, "average_kmh": 105.23, "estimated": False}
    text = drawn({"splits": [split | {"gap_s": 11, "to_beat": "Peterhansel"}]})
    assert "0:24:31  105.2  +11 s Peterhansel" in text
    assert "105.2  -3 s" in drawn({"splits": [split | {"gap_s": -3, "to_beat": None}]})
    assert (
        " s "
        not in drawn({"splits": [split | {"gap_s": None, "to_beat": None}]}).split("105.2")[1].split("\n")[0]
    )


def test_once_prints_the_state_and_ends(car: LiveCar) -> None:
    ran = subprocess.run(
        watch("--socket", str(car.socket), "--once"), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "SS11 (selective)" in ran.stdout
    assert "hidden in the timed section" in ran.stdout


def test_once_without_a_recorder_is_a_one_line_error_and_exit_69(tmp_path: Path) -> None:
    absent = tmp_path / "none.sock"
    ran = subprocess.run(
        watch("--socket", str(absent), "--once"), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 69
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith(f"{absent}: the recorder is not there")


def test_a_pipe_gets_one_line_per_second(car: LiveCar) -> None:
    with subprocess.Popen(watch("--socket", str(car.socket)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        while not re.search(r"SS11 km \d+\.\d", lines[-1]):  # not connected yet
            lines.append(process.stdout.readline())
            assert len(lines) < 60, lines
        process.terminate()
    assert "\x1b" not in "".join(lines)


def test_a_program_gets_a_document_a_line(car: LiveCar) -> None:
    command = watch("--socket", str(car.socket), "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        state = checked("watch", process.stdout.readline())
        for _ in range(60):
            later = checked("watch", process.stdout.readline())
            if later["section"]["distance_km"] > state["section"]["distance_km"]:
                break
        else:
            pytest.fail("the state does not change")
        process.terminate()
    assert state["section"]["name"] == "SS11"
    assert (state["compliance"], state["gps"]["lat"]) == (True, None)
    ran = subprocess.run([*command, "--once"], capture_output=True, text=True, timeout=60, check=True)
    assert checked("watch", ran.stdout)["speed_kmh"] is not None


def test_without_a_recorder_a_program_gets_no_document_and_one_message(tmp_path: Path) -> None:
    command = watch("--socket", str(tmp_path / "none.sock"), "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("stagelog: no live state: the recorder is not there")
        with LiveCar(tmp_path / "none.sock", 2.0):
            assert process.stdout is not None
            assert checked("watch", process.stdout.readline())
        assert process.stderr.readline().startswith("stagelog: no live state: the recorder")
        process.terminate()


def test_a_terminal_is_restored_after_drawing(car: LiveCar) -> None:
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "110", "LINES": "40"}
    with subprocess.Popen(
        watch("--socket", str(car.socket)), stdout=slave, stdin=slave, stderr=subprocess.PIPE, env=environment
    ) as process:
        os.close(slave)
        seen = b""
        while b"SS11" not in seen:
            seen += os.read(master, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # the terminal's other end is closed
            while data := os.read(master, 65536):
                seen += data
        process.wait(60)
    os.close(master)
    assert b"\x1b[?1049h" in seen, "the alternate screen"
    assert b"\x1b[?1049l" in seen, "the original screen again"


@pytest.mark.parametrize("odd", [5, "\x1b[2J", True, [5], [None], {"a": []}, [{"name": {}}], 10**400])
def test_a_damaged_state_is_drawn_or_reported(car: LiveCar, odd: object) -> None:
    """As of a recorder of another version, or of another program on that socket."""
    until(lambda: bool(car.history))
    state = json.loads(json.dumps(car.published))
    damaged = [{**state, key: odd} for key in (*state, "compliance", "alarm_values")]
    damaged += [
        {**state, group: {**values, key: odd}}
        for group, values in state.items()
        if isinstance(values, dict)
        for key in values
    ]
    for each in damaged:
        assert "\x1b[2J" not in drawn(each)
        assert line(News(0.0, each), 0.0)
