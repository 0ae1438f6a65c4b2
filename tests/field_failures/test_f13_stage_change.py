"""F13: log rotation loses data. A stage change under load loses no row."""

from __future__ import annotations

import signal
from pathlib import Path

from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures

STAGES = (1, 2, 3)


def test_f13_every_frame_is_in_one_of_the_logs(tmp_path: Path, figures: Figures) -> None:
    logs = [tmp_path / "logs" / f"test-{stage}-001.db" for stage in STAGES]
    with NumberedBus(rate=3000) as bus:
        config = write_config(tmp_path, bus.port, stage=STAGES[0])
        with recording(config) as process:
            for stage, log in zip(STAGES, logs, strict=True):
                if stage != STAGES[0]:
                    write_config(tmp_path, bus.port, stage=stage)
                    process.send_signal(signal.SIGHUP)
                until(has_rows(log, 1000))
            bus.silence()
            stop(process)
    kept = [numbers(log) for log in logs]
    all_numbers = [number for part in kept for number in part]
    figures.note(
        f"{len(STAGES) - 1} stage changes at 3,000 frames/s, {len(bus.sent_at) - all_numbers[0] - len(all_numbers)} of"
        f" {len(bus.sent_at)} rows lost"
    )
    # The bus counts a burst after sending all of it: the log may also have a part of the last burst.
    assert all_numbers == list(range(all_numbers[0], all_numbers[-1] + 1))
    assert all_numbers[-1] + 1 >= len(bus.sent_at)
    for log in logs:
        assert verify(log) == []
    assert query(logs[0], "SELECT json_extract(detail, '$.next') FROM event WHERE kind = 'session_end'") == [
        (logs[1].name,)
    ]


def test_f13_a_wrong_stage_changes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "test-1-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=1)
        with recording(config) as process:
            until(has_rows(log))
            (tmp_path / "stage.toml").write_text("[stage\n")
            process.send_signal(signal.SIGHUP)
            until(has_rows(log, len(numbers(log)) + 500))
            output = stop(process)
    assert "recording continues unchanged" in output
    assert verify(log) == []


def test_f13_a_stage_change_ignores_settings_that_need_a_restart(tmp_path: Path) -> None:
    """Port and directory were edited together with the stage: the next log has the port in use and its directory."""
    first, second = (tmp_path / "logs" / f"test-{stage}-001.db" for stage in (1, 2))
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=1)
        with recording(config) as process:
            until(has_rows(first))
            write_config(tmp_path, "/dev/ttyUSB9", stage=2)
            config.write_text(config.read_text().replace("/logs", "/elsewhere"))
            process.send_signal(signal.SIGHUP)
            until(has_rows(second, 200))
            stop(process)
    ((config_text,),) = query(second, "SELECT config FROM session")
    assert f'port = "{bus.port}"' in str(config_text) and "ttyUSB9" not in str(config_text)
    assert not (tmp_path / "elsewhere").exists()
