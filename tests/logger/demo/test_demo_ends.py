"""`stagelog demo` ends cleanly on SIGTERM, without error messages."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from logger.demo import demo, stages
from logger.logfile.verify import verify
from logger.recorder.daemon import RecorderStatus

MAX_REPORTS = 60
"""One a second; the crew page is long up."""


@pytest.mark.pty
def test_it_ends_without_reporting_a_lost_recorder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a short way to the live socket
    monkeypatch.setattr(demo, "USUAL_PORT", 0)  # somebody's own demonstration may be there
    folder = Path("demo")
    folder.mkdir()
    built_in, car = stages.stage(demo.STAGE), demo.driven()
    day = stages.plan(built_in, car)
    begun = demo.Demonstration(folder, built_in, car, day.drive, demo.start_of(day), log=folder / "its own")
    stop, output, reports = threading.Event(), "", 0

    def until_connected(_status: RecorderStatus) -> None:
        nonlocal output, reports
        output, reports = output + capfd.readouterr().err, reports + 1
        if "connected to the recorder" in output or reports == MAX_REPORTS:
            stop.set()

    demo.run(begun, 10, 100, stop, lambda address: None, until_connected)
    output += capfd.readouterr().err
    assert "connected to the recorder" in output
    assert [line for line in output.splitlines() if "INFO" not in line and "crew page at" not in line] == []
    (made,) = (folder / "logs").glob("*.db")
    assert verify(made) == []
