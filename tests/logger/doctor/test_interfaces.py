"""The doctor's findings on the kernel's CAN interfaces: set up as configured, and in every other way."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.devices.can_interface import Expected, Interface
from firmware_bridge.records import ERR_FLAG, CanFrame, Notice
from logger.doctor import judge_bus, judge_interface
from logger.doctor.examination import examine
from logger.doctor.port_observation import PortObservation
from tests.firmware_bridge.can_bus import UP, can_bus

LISTENING = Expected("can0", 500_000)
NORMAL = Expected("can0", 500_000, listen_only=False)
AGAIN = "sudo ip link set can0 down && sudo ip link set can0 up type can bitrate 500000 listen-only on"


@pytest.mark.parametrize(
    ("expected", "interface", "findings"),
    [
        (LISTENING, UP, ["OK     interface can0: 500000 bit/s, listen-only, controller active"]),
        (
            LISTENING,
            replace(UP, listen_only=False),
            [
                "WRONG  interface can0: not listen-only: it acknowledges the car's frames, whether they are "
                f"recorded or not; {AGAIN}, or listen_only = false"
            ],
        ),
        (
            LISTENING,
            replace(UP, bitrate=250_000),
            [f"WRONG  interface can0: set to 250000 bit/s, not to 500000; {AGAIN}, or correct `bitrate`"],
        ),
        (
            Expected("can0"),
            replace(UP, bitrate=250_000),
            ["OK     interface can0: 250000 bit/s, listen-only, controller active"],
        ),
        (
            LISTENING,
            replace(UP, is_fd=True, data_bitrate=2_000_000, state=None),
            ["OK     interface can0: 500000 bit/s, data at 2000000 bit/s, listen-only"],
        ),
        (
            NORMAL,
            replace(UP, listen_only=False, restart_ms=100, state="warning"),
            ["OK     interface can0: 500000 bit/s, controller warning"],
        ),
        (
            NORMAL,
            replace(UP, listen_only=False, state="off", tx_errors=248, rx_errors=0),
            [
                "OK     interface can0: 500000 bit/s, controller off",
                "NOTE   interface can0: a controller that goes off the bus stays off; "
                "sudo ip link set can0 type can restart-ms 100 (while it is down)",
                "WRONG  interface can0: the controller is off the bus: 0 receive and 248 transmit errors counted; "
                "check the two wires, the 120-ohm terminations, the ground and the bit rate; "
                "then sudo ip link set can0 type can restart",
            ],
        ),
        (
            LISTENING,
            replace(UP, state="passive", rx_errors=135, tx_errors=0, dropped=3, overruns=4),
            [
                "OK     interface can0: 500000 bit/s, listen-only, controller passive",
                "WRONG  interface can0: the controller is error passive: 135 receive and 0 transmit errors counted; "
                "check the two wires, the 120-ohm terminations, the ground and the bit rate",
                "NOTE   interface can0: 7 frames lost by driver and controller since it was plugged in",
            ],
        ),
        (
            LISTENING,
            Interface("can0", is_can=True, is_up=True, kind="vcan"),
            ["NOTE   interface can0: up; vcan reports neither bit rate nor listen-only"],
        ),
        (
            Expected("can0", 500_000, "try"),
            replace(UP, listen_only=False, restart_ms=100),
            [
                "NOTE   interface can0: not listen-only: it acknowledges the car's frames, whether they are "
                f"recorded or not; {AGAIN}, or listen_only = false"
            ],
        ),
        (
            LISTENING._replace(data_bitrate=2_000_000),
            UP,
            [
                "WRONG  interface can0: data at no bit/s, not at 2000000; sudo ip link set can0 down && "
                "sudo ip link set can0 up type can bitrate 500000 dbitrate 2000000 fd on listen-only on, "
                "or correct `data_bitrate`"
            ],
        ),
        (LISTENING, replace(UP, is_up=False), []),
        (LISTENING, replace(UP, is_can=False), []),
        (LISTENING, None, []),
    ],
)
def test_each_state_of_an_interface_has_its_verdict(
    expected: Expected, interface: Interface | None, findings: list[str]
) -> None:
    assert [str(finding) for finding in judge_interface.judge(expected, interface)] == findings


def test_frames_dropped_by_the_kernel_are_reported() -> None:
    notices = tuple(Notice(n, "frames_dropped", {"frames": 20}) for n in range(2))
    heard = PortObservation(
        "engine", "socketcan://can0", "socketcan", "open", good=5, seconds=1, notices=notices
    )
    (first, *_) = judge_bus.judge(heard, judge_bus.Wiring(500_000, True, None))
    assert (first.verdict, first.what) == ("wrong", "the kernel dropped 40 frames that were not read in time")


def test_an_interface_is_opened_and_its_traffic_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "stagelog.toml"
    file.write_text(
        f'[log]\ndirectory = "{tmp_path}"\n[live]\nsocket = "{tmp_path}/live.sock"\n'
        '[[can]]\nname = "engine"\nport = "can0"\nprotocol = "socketcan"\nbitrate = 500000\n'
    )
    with can_bus(monkeypatch) as bus:
        error = CanFrame(0, 0, 0x204 | ERR_FLAG, bytes((0, 0x10, 0, 0, 0, 0, 0, 130)))
        bus.when_open = lambda: bus.send(*(CanFrame(0, 0, 0x100 + n, bytes(8)) for n in range(50)), error)
        lines = [str(finding) for finding in examine(file, 1.0, threading.Event())]
        assert "OK     port engine: socketcan, 500000 bit/s, listen-only, 51 frames/s, none damaged" in lines
        assert "OK     interface can0: 500000 bit/s, listen-only, controller active" in lines
        assert any(
            "bus engine: 50 frames/s of 50 identifiers, and bus errors (bus passive" in line for line in lines
        )
        bus.settings = None
        lines = [str(finding) for finding in examine(file, 1.0, threading.Event())]
    assert "WRONG  port engine: can0: no such interface; plug it in, or correct `port`" in lines
