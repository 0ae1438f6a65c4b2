"""The virtual car and its adapters, examined by the doctor, and what it finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.device import LiveDevice
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from firmware_bridge.virtual.traffic import Traffic
from logger.doctor.examination import examine
from logger.doctor.findings import Finding
from tests.logger.recorder.driving import START_S, built_in

SECONDS = 1.5
HEARD = ("port", "ports", "gps", "bus", "dbc")


@contextmanager
def car(**more: object) -> Iterator[VirtualCar]:
    with VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300, **more) as driven:  # type: ignore[arg-type]
        yield driven


def examined(config: Path, seconds: float = SECONDS) -> list[Finding]:
    """The doctor's findings on the ports and their devices."""
    found = list(examine(config, seconds, threading.Event()))
    return [finding for finding in found if finding.where.split()[0] in (*HEARD, "recorder")]


def troubles(found: list[Finding]) -> list[str]:
    return [
        f"{finding.where}: {finding.what}; {finding.hint}" for finding in found if finding.verdict == "wrong"
    ]


class PickyAdapter(CanAdapter):
    """On a bus of 250 kbit/s; at another rate it receives nothing, and its controller counts errors."""

    CODE = "5"

    def bytes_between(self, t0_s: float, t1_s: float) -> bytes:
        dialogue = self._dialogue
        assert isinstance(dialogue, SlcanDialogue)
        self.listened.append(dialogue.is_listening or not dialogue.is_open)
        return super().bytes_between(t0_s, t1_s) if dialogue.bitrate_code == self.CODE else b""

    def restart(self) -> None:
        super().restart()
        self.listened: list[bool] = []


@contextmanager
def picky(folder: Path) -> Iterator[PickyAdapter]:
    engine = Engine(built_in()[2])
    adapter = PickyAdapter(engine, Traffic(engine, rate=300))
    with at_work(adapter, folder):
        yield adapter


@contextmanager
def at_work(adapter: CanAdapter, folder: Path) -> Iterator[None]:
    """The adapter at `folder`/can."""
    began = time.monotonic()
    device = LiveDevice(
        "can", folder / "can", tick_s=0.01, baud=None, clock=lambda: START_S + time.monotonic() - began,
        produce=adapter.bytes_between, answer=adapter.feed,
    )  # fmt: skip
    device.start()
    try:
        yield
    finally:
        device.stop()


CAN_ONLY = """\
[log]
directory = "logs"
[live]
socket = "live.sock"
[[can]]
name = "engine"
port = "can"
protocol = "slcan"
baud = 2000000
bitrate = 500000
listen_only = {listen_only}
"""
