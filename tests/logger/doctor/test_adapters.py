"""`stagelog doctor` on real ptys: buses and CAN adapters, and what it never makes them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from firmware_bridge.virtual.traffic import Traffic
from tests.field_failures.recorder_process import until
from tests.firmware_bridge.protocols.slcan_adapters import CANNOT
from tests.logger.doctor.examining import CAN_ONLY, at_work, car, examined, picky, troubles
from tests.logger.recorder.driving import built_in, set_up

OTHER_DBC = 'VERSION ""\nBO_ 291 STEERING: 8 X\n SG_ ANGLE : 0|16@1+ (0.1,0) [0|0] "deg" X\n'


def test_the_dbc_of_another_car_is_reported(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        (tmp_path / "engine.dbc").write_text(OTHER_DBC)
        found = troubles(examined(config))
    assert len(found) == 1
    assert found[0].startswith("dbc engine.dbc: none of its 1 messages is on the bus; it is for another car")


@pytest.mark.matrix(3)
@pytest.mark.parametrize("listen_only", ["true", '"try"', "false"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_doctor_never_makes_an_adapter_acknowledge_frames(
    tmp_path: Path, dialect: str, listen_only: str
) -> None:
    """Also if the recorder may open it in normal mode; then an adapter that cannot listen only is not a fault."""
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only=listen_only))
    engine = Engine(built_in()[2])
    adapter = CanAdapter(engine, Traffic(engine, rate=300), "slcan", dialect)
    with at_work(adapter, tmp_path):
        found = examined(config, 0.5)
    assert not adapter.been_normal
    output = "\n".join(map(str, found))
    if dialect in CANNOT:
        assert ("cannot listen only, so it is not opened" in output) is True
        assert bool(troubles(found)) is (listen_only == "true")
    elif dialect == "mute normal":
        assert "answers nothing" in output
        assert ('set listen_only = "try" or false' in output) is (listen_only == "true")
    else:
        assert troubles(found) == []


@pytest.mark.parametrize("listen_only", ["true", "false"])
def test_a_wrong_bit_rate_is_reported_with_the_right_one_and_nothing_is_sent(
    tmp_path: Path, listen_only: str
) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only=listen_only))
    with picky(tmp_path) as adapter:
        found = troubles(examined(config))
        assert found == [
            "bus engine: no frame at 500000 bit/s, but frames at 250000 bit/s; set bitrate = 250000"
        ]
        assert adapter.listened, "it was opened"
        assert all(adapter.listened), "the doctor only listens, whatever the configuration"
        until(lambda: not adapter.is_open)


def test_a_silent_bus_behind_a_working_adapter_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="true"))
    with picky(tmp_path) as adapter:
        adapter.CODE = "none"
        found = troubles(examined(config))
    assert len(found) == 1
    assert "the adapter answers, but no frame came" in found[0]
    assert "ignition" in found[0]


def test_a_polled_engine_is_not_reported_as_silent(
    tmp_path: Path,
) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="false") + 'preset = "obd2"\npoll = true\n')
    with picky(tmp_path) as adapter:
        adapter.CODE = "none"
        found = examined(config)
    assert troubles(found) == []
    (bus,) = [finding for finding in found if finding.where == "bus engine"]
    assert "the doctor does not poll the engine" in bus.what
    assert "start the recorder" in bus.hint
