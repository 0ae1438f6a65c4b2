"""Latency from the wire to the painted page in Chromium.

This process simulates a 10 Hz receiver; each epoch is 1 km/h faster or slower than the last, so that every epoch
changes the speed on the driver's view. When the text has changed and the browser has drawn the next frame, the page
records the time; the newest epoch with this speed is the one it shows. Recorder, crew server and Chromium are real
processes.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from firmware_bridge.protocols.nmea import encode
from tests.bench.configuration import configure
from tests.bench.live import percentiles
from tests.bench.recorder import folder

Row = tuple[str, str]
GPS_HZ = 10
SLOWEST_KMH, FASTEST_KMH = 40, 120
KNOT_KMH = 1.852
WARM_UP_S = 5.0
START_S = 30.0
SIZE = {"width": 1024, "height": 600}
NOTE = """() => {
  window.noted = [];
  const speed = document.querySelector('#driver [data-value="speed_kmh"]');
  new MutationObserver(() => {
    const text = speed.textContent;
    requestAnimationFrame(() => setTimeout(() => noted.push([text, performance.timeOrigin + performance.now()])));
  }).observe(speed, {childList: true, characterData: true, subtree: true});
}"""
"""Records each change after the animation frame that draws it."""


def page(options: argparse.Namespace) -> Iterator[Row]:
    """Latency from the wire to the painted page at 10 Hz, in Chromium."""
    program = shutil.which("chromium")
    if program is None:
        yield "wire -> painted page", "skipped: chromium is not installed"
        return
    taken_s = [s for _ in range(options.runs) for s in measure(program, options.minutes * 60)]
    yield "wire -> painted page, speed", percentiles(taken_s)


def measure(program: str, seconds: float) -> list[float]:
    """Seconds from each epoch's last byte on the wire to its speed on the screen."""
    from playwright.sync_api import sync_playwright

    with folder() as place, _wire() as (master, port), sync_playwright() as playwright:
        config = configure(place, gps=port, is_live=True)
        with process("run", config), process("serve", config) as crew:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            shown: Any = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            receiver = Receiver(master)
            shown.goto(f"{address(crew.stderr)}#driver")
            receiver.send(WARM_UP_S, shown)
            shown.evaluate(NOTE)
            receiver.written.clear()
            receiver.send(seconds, shown)
            noted: list[tuple[str, float]] = [(text, ms / 1000) for text, ms in shown.evaluate("noted")]
            browser.close()
    return list(_delays(receiver.written, noted))


class Receiver:
    """Sends on the wire and stores when each speed went out, in wall time, which the browser shares."""

    def __init__(self, master: int) -> None:
        self.written: list[tuple[str, float]] = []
        self._master = master
        self._began = time.monotonic()
        self._epochs = 0
        self._north_m = 0.0

    def send(self, seconds: float, shown: Any) -> None:
        """Send for `seconds`, and handle the browser's messages in the meantime."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            shown.wait_for_timeout(max(0.0, self._began + self._epochs / GPS_HZ - time.monotonic()) * 1000)
            kmh = self._kmh()
            os.write(self._master, self._epoch(kmh))
            self.written.append((str(kmh), time.time()))

    def _kmh(self) -> int:
        span = FASTEST_KMH - SLOWEST_KMH
        at = self._epochs % (2 * span)
        return SLOWEST_KMH + min(at, 2 * span - at)

    def _epoch(self, kmh: int) -> bytes:
        self._epochs += 1
        self._north_m += kmh / 3.6 / GPS_HZ
        of_day = 36_000 + self._epochs / GPS_HZ
        clock = f"{int(of_day) // 3600:02d}{int(of_day) // 60 % 60:02d}{of_day % 60:05.2f}"
        place = f"20{self._north_m / 1852:07.4f},N,04236.0000,E"
        return encode(f"GNRMC,{clock},A,{place},{kmh / KNOT_KMH:.3f},0.0,150126,,,A") + encode(
            f"GNGGA,{clock},{place},1,12,0.8,1100.0,M,0.0,M,,"
        )


def _delays(written: list[tuple[str, float]], noted: list[tuple[str, float]]) -> Iterator[float]:
    """For each speed shown on the page, the time since it was last sent."""
    for text, at_s in noted:
        sent = [sent_s for kmh, sent_s in written if kmh == text and 0 <= at_s - sent_s < 2.0]
        if sent:
            yield at_s - sent[-1]


@contextmanager
def _wire() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def process(verb: str, config: Path) -> Iterator[subprocess.Popen[str]]:
    """A verb of stagelog as a process, ended with SIGTERM as by systemd."""
    started = subprocess.Popen(
        [sys.executable, "-m", "logger", verb, "-c", str(config)], stderr=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate()


def address(output: IO[str] | None) -> str:
    """The URL of the crew page, from the server's output."""
    assert output is not None
    while select.select([output], [], [], START_S)[0]:
        if url := re.search(r"http://\S+", line := output.readline()):
            return url[0]
        if not line:
            break
    raise SystemExit("the crew server did not start")
