"""Foreign bytes between sentences: the rate is found, the link stays open, no sentence is lost.

Streams are played on a real pty at the speed of a serial line, and as noise to a reader at another rate. Clock and
device of these sessions run fast, so that thresholds of seconds pass in a fraction of the time.
"""

from __future__ import annotations

import random
import termios
import threading
import time
from itertools import cycle, islice
from pathlib import Path

import pytest

from firmware_bridge.devices.ports import PortReader
from firmware_bridge.protocols import nmea, protocol
from tests.firmware_bridge.mixtures import MESSAGES, epoch, mixture, tagged
from tests.firmware_bridge.simulated_devices import (
    Pty,
    Sink,
    eventually,
    pty,
    running,
    talking,
    unstalled_clock_us,
)

NMEA = protocol("nmea")
FAST = 5
"""Seconds of the session per second of the test."""
CASES = Path(__file__).parents[2] / "field_cases" / "gps"
TICK_S = 0.01


class Player:
    """A device that repeats `stream` at `bytes_per_s` and `baud`."""

    def __init__(self, device: Pty, baud: int, stream: bytes, bytes_per_s: float) -> None:
        self.device, self.baud, self.stream = device, baud, stream
        self.bytes_per_s = bytes_per_s * FAST
        self._noise = random.Random(23)

    def play(self, stop: threading.Event) -> None:
        began_s, sent = time.monotonic(), 0
        while not stop.wait(TICK_S):
            due = int((time.monotonic() - began_s) * self.bytes_per_s) - sent
            data = bytes(islice(cycle(self.stream), sent % len(self.stream), sent % len(self.stream) + due))
            sent += due
            right = self.device.speed == getattr(termios, f"B{self.baud}")
            self.device.send(data if right else self._noise.randbytes(len(data)))


def reader(device: Pty, sink: Sink, baud: int | str) -> PortReader:
    return PortReader("gps", device.name, baud, NMEA, clock_us=unstalled_clock_us(FAST), sink=sink)  # type: ignore[arg-type]


def recorded_s(sink: Sink) -> float:
    chunks = sink.chunks()
    return (chunks[-1].t_us - chunks[0].t_us) / 1e6 if chunks else 0.0


FIELD_CASES = [
    ("freematics-prefix", 10.0, 300, 115200),
    ("ubx-mixed", 5.0, 60, 115200),
    ("ubx-dense-10hz-nmea-1hz", 1.0, 60, 38400),
    ("timestamp-prefix", 1.0, 60, 9600),
]


@pytest.mark.parametrize(("case", "hz", "epochs", "baud"), FIELD_CASES, ids=[case[0] for case in FIELD_CASES])
@pytest.mark.parametrize("setting", ["auto", "fixed"])
def test_the_field_cases_are_found_and_stay_open(
    case: str, hz: float, epochs: int, baud: int, setting: str
) -> None:
    stream = (CASES / f"{case}.nmea").read_bytes()
    sink = Sink()
    with pty() as device:
        player = Player(device, baud, stream, len(stream) / epochs * hz)
        with running(reader(device, sink, "auto" if setting == "auto" else baud)), talking(player.play):
            opened = sink.await_state("open")
            eventually(lambda: recorded_s(sink) > 12)
    assert opened.detail == f"{baud} baud"
    assert set(sink.states()) == {"opening", "open"}
    decoder = NMEA.decoder(0)
    decoder.feed(sink.data(), 0)
    assert decoder.good > 5


@pytest.mark.matrix(3)
@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("share", [0.5, 0.99])
@pytest.mark.parametrize("setting", ["auto", 230400])
def test_rate_is_found_with_any_share_of_foreign_bytes(kind: str, share: float, setting: str | int) -> None:
    stream = mixture(MESSAGES[kind], share, epochs := 30)
    sink = Sink()
    with pty() as device:
        player = Player(device, 230400, stream, max(600, len(stream) / epochs))
        with running(reader(device, sink, setting)), talking(player.play):
            sink.await_state("open")
            eventually(lambda: recorded_s(sink) > 8 and "NMEA holds" in sink.changes()[-1].detail)
    assert set(sink.states()) == {"opening", "open"}
    detail = sink.changes()[-1].detail
    assert detail.startswith("230400 baud; NMEA holds, ")
    percent = int(detail.split("holds, ")[1].split(" %")[0])
    assert percent == pytest.approx(100 * share, abs=15)
    assert detail.endswith(" % of the bytes are another protocol")


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("chunk", [1, 13, 4096])
def test_every_sentence_between_foreign_bytes_comes_out_once(kind: str, share: float, chunk: int) -> None:
    stream = mixture(MESSAGES[kind], share, 40 if chunk > 1 else 8)
    decoder, texts = nmea.Decoder(), []
    for at in range(0, len(stream), chunk):
        texts += [sentence.text for sentence in decoder.feed(stream[at : at + chunk], 0).sentences]
    expected = [line.decode().strip() for number in range(40 if chunk > 1 else 8) for line in epoch(number)]
    assert [text for text in texts if text in set(expected)] == expected


def test_tag_blocks_and_ais_hide_no_sentence() -> None:
    ais = b"!AIVDM,1,1,,B,13aDp<PP000IwSlN?Wm@0?wN2<1T,0*29\r\n"
    lines = [line for number in range(5) for line in epoch(number)]
    dressed = [
        *(tagged(line, number) for number, line in enumerate(lines)),
        *(b"$GPS" + line for line in lines),
        *(b"2026-01-12T09:00:00.100Z;" + line for line in lines),
        ais,
    ]
    batch = nmea.Decoder().feed(b"".join(dressed), 0)
    assert [sentence.text.encode() + b"\r\n" for sentence in batch.sentences] == [*lines * 3, ais]
