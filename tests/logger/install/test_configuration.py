"""The first configuration holds the answers, and the recorder can read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.config.sources import CAN_PROTOCOLS
from logger.install.configuration import CAN_NAME, GPS_NAME, INTERFACE_NAME, Answers, render, settled

FOLDER = Path("/etc/stagelog")


def read(answers: Answers) -> configuration.Config:
    return configuration.loads(render(answers).decode(), "stagelog.toml", FOLDER)


pins = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=20)


@given(
    number=st.none() | st.integers(0, 99_999),
    protocol=st.sampled_from(CAN_PROTOCOLS),
    bitrate=st.integers(5_000, 1_000_000),
    pin=st.none() | pins,
)
def test_answers_are_read_back_unchanged(
    number: int | None, protocol: str, bitrate: int, pin: str | None
) -> None:
    answers = Answers(number=number, protocol=protocol, bitrate=bitrate, pin=pin)
    found = read(settled(answers, {"protocol"}))
    port = INTERFACE_NAME if protocol == "socketcan" else CAN_NAME
    assert found.car.number == number
    assert found.gps is not None and found.gps.port == GPS_NAME
    assert [(can.port, can.protocol, can.bitrate, can.listen_only) for can in found.can] == [
        (port, protocol, bitrate, True)
    ]
    assert found.serve.pin == pin
    assert found.serve.host == ("127.0.0.1" if pin is None else "0.0.0.0")  # noqa: S104
    assert found.log == configuration.Log()
    assert found.live == configuration.Live()


@pytest.mark.parametrize(
    ("answered", "port", "protocol"),
    [
        ({"can_port": "can1"}, "can1", "socketcan"),
        ({"protocol": "socketcan"}, "can0", "socketcan"),
        ({"can_port": "can1", "protocol": "socketcan"}, "can1", "socketcan"),
        ({"can_port": "/dev/ttyACM0"}, "/dev/ttyACM0", "slcan"),
        ({"protocol": "gvret"}, CAN_NAME, "gvret"),
        ({"can_port": ""}, "", "slcan"),
    ],
)
def test_an_interface_and_its_protocol_imply_each_other(
    answered: dict[str, str], port: str, protocol: str
) -> None:
    found = settled(replace(Answers(), **answered), answered)  # type: ignore[arg-type]
    assert (found.can_port, found.protocol) == (port, protocol)


def test_a_device_may_be_left_out() -> None:
    assert read(Answers(gps_port="")).gps is None
    assert read(Answers(can_port="")).can == ()


@pytest.mark.parametrize(
    "wrong",
    [
        Answers(bitrate=4_999),
        Answers(number=-1),
        Answers(protocol="slcam"),
        Answers(gps_port="", can_port=""),
        Answers(gps_port=CAN_NAME),
        Answers(pin="123"),
    ],
)
def test_a_wrong_answer_is_refused_before_any_write(wrong: Answers) -> None:
    with pytest.raises(ConfigurationError):
        render(wrong)


def test_every_commented_out_line_is_valid() -> None:
    """A mechanic removes the comment sign; the result must be valid configuration, not prose."""
    lines = render(Answers(number=500, pin="4711")).decode().splitlines()
    examples = [
        line.removeprefix("# ")
        if line.startswith(("# [", "# ")) and ("=" in line or line.startswith("# ["))
        else line
        for line in lines
        if not line.startswith(("# stagelog:", "# `", "# The crew"))
    ]
    found = configuration.loads("\n".join(examples), "stagelog.toml", FOLDER)
    assert found.stage is not None and found.alarms[0].name == "alternator"
    assert found.can[0].preset == "obd2" and found.car.class_name == "T1+"


def test_answers_do_not_show_the_pin() -> None:
    assert "4711" not in repr(Answers(pin="4711"))
