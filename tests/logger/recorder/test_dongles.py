"""ELM327 and STN dongles on ptys, recorded by the real recorder."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.engine.obd2_frames import ANSWER_IDS
from firmware_bridge.records import EFF_FLAG
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.dongle import MODELS, Dongle
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.traffic import Traffic
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import query, recording, stop
from tests.firmware_bridge.virtual.courses import lively
from tests.logger.command_line import stagelog
from tests.logger.recorder.test_daemon import MOVING_S, configured, count, log_of, wait_for_rows

POLLING = 'protocol = "elm327"\nlisten_only = false\npoll = true\npreset = "obd2"\n'
LISTENING = 'protocol = "elm327"\nbitrate = 500000\n'
READINGS = "reading JOIN channel ON id = channel WHERE name = "


@pytest.fixture(scope="module")
def drive() -> Drive:
    return lively()


def car(
    drive: Drive, folder: Path, model: str, rate: float = 200.0, baud: int | None = 115_200
) -> VirtualCar:
    engine = Engine(drive)
    dongle = Dongle(engine, Traffic(engine, rate=rate), model)
    return VirtualCar(
        drive,
        start_s=MOVING_S,
        protocol="elm327",
        engine=engine,
        dongle=dongle,
        can_baud=baud,
        directory=folder,
    )


@pytest.mark.parametrize("model", MODELS)
def test_polling(tmp_path: Path, drive: Drive, model: str) -> None:
    with (
        car(drive, tmp_path, model) as virtual,
        recording(configured(tmp_path, can=virtual.can_port, more=POLLING)) as process,
    ):
        wait_for_rows(tmp_path, f"{READINGS}'coolant_c'")
        wait_for_rows(tmp_path, f"{READINGS}'rpm'", 10)
        assert isinstance(virtual.adapter, Dongle)
        assert virtual.adapter.stopped == 0
        stop(process)
    ids = {row[0] for row in query(log_of(tmp_path), "SELECT DISTINCT can_id FROM frame")}
    assert ids == {0x7E8} <= ANSWER_IDS
    assert count(tmp_path, "rejected") == 0
    assert verify(log_of(tmp_path)) == []


@pytest.mark.parametrize(("model", "rate"), [("elm327", 200), ("stn", 2_000)])
def test_listening(tmp_path: Path, drive: Drive, model: str, rate: float) -> None:
    with car(drive, tmp_path, model, rate) as virtual:
        with recording(configured(tmp_path, can=virtual.can_port, more=LISTENING)) as process:
            wait_for_rows(tmp_path, "frame", int(3 * rate))
            stop(process)
        assert not virtual.adapter.been_normal
    ids = {int(str(row[0])) for row in query(log_of(tmp_path), "SELECT DISTINCT can_id FROM frame")}
    assert {bool(can_id & EFF_FLAG) for can_id in ids} == {False, True}
    assert verify(log_of(tmp_path)) == []


def test_the_rate_of_the_dongle_is_found(tmp_path: Path, drive: Drive) -> None:
    with car(drive, tmp_path, "elm327", baud=500_000) as virtual:
        config = configured(tmp_path, can=virtual.can_port, more=LISTENING)
        config.write_text(config.read_text().replace("baud = 115200", 'baud = "auto"'))
        with recording(config) as process:
            wait_for_rows(tmp_path, "frame", 100)
            stop(process)


def test_a_dongle_that_does_not_confirm_silence_is_not_opened(tmp_path: Path, drive: Drive) -> None:
    with car(drive, tmp_path, "clone") as virtual:
        with recording(configured(tmp_path, can=virtual.can_port, more=LISTENING)) as process:
            wait_for_rows(tmp_path, "event WHERE kind = 'link' AND detail LIKE '%normal_only%'")
            output = stop(process)
        assert not virtual.adapter.been_normal
    assert "does not confirm that it listens only, so it is not opened" in output
    assert count(tmp_path, "frame") == 0


@pytest.mark.parametrize("more", [POLLING, LISTENING])
def test_recording_continues_after_a_dongle_restarts(tmp_path: Path, drive: Drive, more: str) -> None:
    with car(drive, tmp_path, "elm327") as virtual:
        with recording(configured(tmp_path, can=virtual.can_port, more=more)) as process:
            wait_for_rows(tmp_path, "frame", 20)
            virtual.brown_out()
            wait_for_rows(tmp_path, "event WHERE kind = 'adapter_status' AND detail LIKE '%lv_reset%'")
            before = count(tmp_path, "frame")
            wait_for_rows(tmp_path, "frame", before + 20)
            virtual.unplug("can")
            wait_for_rows(tmp_path, "event WHERE kind = 'link' AND detail LIKE '%lost%'")
            before = count(tmp_path, "frame")
            virtual.replug("can")
            wait_for_rows(tmp_path, "frame", before + 20)
            stop(process)
        assert virtual.adapter.been_normal == (more == POLLING)


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        (f"{POLLING}bitrate = 125000\n", "bitrate", "OBD-II has no bit rate 125000"),
        ('protocol = "elm327"\n', "bitrate", "detects the bit rate only when it polls"),
        ('protocol = "elm327"\nbitrate = 500000\nlisten_only = false\n', "listen_only", "set poll = true"),
    ],
)
def test_check(tmp_path: Path, more: str, where: str, what: str) -> None:
    done = stagelog("check", str(configured(tmp_path, can="dongle", more=more)), folder=tmp_path)
    assert done.code == 1
    assert what in done.out + done.err
    assert where in done.out + done.err


@pytest.mark.parametrize("more", [POLLING, LISTENING])
def test_doctor_sends_no_request_to_the_car(tmp_path: Path, drive: Drive, more: str) -> None:
    with car(drive, tmp_path, "stn") as virtual:
        config = configured(tmp_path, can=virtual.can_port, more=more)
        done = stagelog("doctor", "-c", str(config), "--seconds", "3", folder=tmp_path)
        assert not virtual.adapter.been_normal
    output = done.out + done.err
    if more == LISTENING:
        assert "frames/s" in output
    else:
        assert "needs the bit rate" in output
