"""One drive on an emulated processor: the package is installed, records, verifies, reviews, serves, and is purged."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path

from tests.bench.configuration import Bus, configure
from tests.bench.live import itinerary
from tests.bench.recorder import Feeder, rows
from tests.logger.crew.serving import Served, port_of
from tests.pi import roots
from tests.pi.instructions import GPS_HZ, LOG, Client, program, wait_for_rows
from tests.pi.processors import Arm64

FRAMES_PER_S = 500
_PROGRAM = "/usr/local/bin/stagelog"
_LEFT = "/etc/stagelog /usr/local/bin/stagelog /opt/stagelog /etc/systemd/system/stagelog-recorder.service"
_COMMITTED_S = 3.0
"""Time in which everything sent is committed."""
_ANSWER_S = 120.0
"""Time in which an emulated crew server starts and answers."""


def drive(root: Path, seconds: float, built: Path | None) -> bool:
    """Install in an overlay of `root`, record for `seconds`, purge; print a line for each. Returns whether all did."""
    with roots.overlay(root) as changed, tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        packages = roots.build_packages(place, built)
        pi = Arm64(changed)
        steps: list[tuple[str, Callable[[], str]]] = [
            ("install", lambda: _install(pi, place, packages)),
            ("record", lambda: _record(pi, place, seconds)),
            ("verify", lambda: _stagelog(pi, place, "verify", str(_log(place))).strip()),
            ("review", lambda: _review(pi, place)),
            ("purge", lambda: _purge(pi, place)),
        ]
        for name, step in steps:
            began = time.monotonic()
            try:
                result = step()
            except (AssertionError, SystemExit, RuntimeError, OSError) as error:
                print(f"{name}: FAILED: {error}", flush=True)
                return False
            print(f"{name}: {result} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def _install(pi: Arm64, place: Path, packages: list[Path]) -> str:
    roots.run(*pi.command(["/usr/bin/dpkg", "--install", *map(str, packages)], place))
    version = _stagelog(pi, place, "--version").strip()
    return f"{version} on {roots.run(*pi.command(['/usr/bin/python3', '--version'])).strip()}"


def _record(pi: Arm64, place: Path, seconds: float) -> str:
    frames = int(FRAMES_PER_S * seconds)
    with contextlib.ExitStack() as open_things:
        gps = open_things.enter_context(contextlib.closing(Feeder("tests.bench.gps", str(GPS_HZ))))
        arguments = ("tests.bench.wire", "slcan", str(frames), str(FRAMES_PER_S))
        wire = open_things.enter_context(contextlib.closing(Feeder(*arguments)))
        buses = (Bus("engine", wire.port),)
        config = configure(place, gps=gps.port, buses=buses, itinerary=itinerary(), is_live=True)
        with _running(pi, place, "run", "-c", str(config)) as recorder:
            wait_for_rows(_log(place), "event", recorder)
            client = Client(place / "live.sock")
            client.start_section()
            with client.listening():
                gps.go()
                wait_for_rows(_log(place), "fix", recorder)
                wire.go()
                pages = _pages(pi, place, config)
                wire.wait_sent_s()
                time.sleep(_COMMITTED_S)
                documents, dropped = client.heard, client.dropped()
    assert recorder.returncode == 0, f"the recorder ended with {recorder.returncode}"
    recorded, fixes = rows(_log(place)), rows(_log(place), "fix")
    assert recorded == frames, f"{frames - recorded} of {frames} frames lost"
    assert not dropped, f"{dropped} dropped"
    assert fixes >= seconds * GPS_HZ, f"{fixes} fixes in {seconds} s"
    return f"{recorded} of {frames} frames, {fixes} fixes, {documents} live documents, {pages}"


def _pages(pi: Arm64, place: Path, config: Path) -> str:
    """Fetch the crew page and the live state from a crew server."""
    with _running(pi, place, "serve", "-c", str(config)) as process:
        output = place / "serve"
        server = Served(process, port_of(process, output, _ANSWER_S), output, _ANSWER_S)
        page = server.ask("/")
        assert page.status == HTTPStatus.OK, page.status
        ends = time.monotonic() + _ANSWER_S
        while (live := server.ask("/api/live")).status != HTTPStatus.OK:  # until it has heard the recorder
            assert time.monotonic() < ends, live.status
            time.sleep(0.2)
        assert live.json["gps"]["quality"], live.json["gps"]
    return f"a crew page of {len(page.body) // 1000} kB with {live.json['speed_kmh']:.0f} km/h"


def _review(pi: Arm64, place: Path) -> str:
    report = json.loads(_stagelog(pi, place, "review", str(_log(place)), "--json"))
    page = place / "review.html"
    _stagelog(pi, place, "review", str(_log(place)), "--html", str(page))
    assert page.stat().st_size > 10_000, "the page is empty"
    return f"{len(report)} parts, a page of {page.stat().st_size // 1000} kB"


def _purge(pi: Arm64, place: Path) -> str:
    logs = pi.root / "var/lib/stagelog/kept.db"
    logs.write_bytes(_log(place).read_bytes())
    roots.run(*pi.command(["/usr/bin/dpkg", "--purge", "stagelog-review"], place))
    left = list(pi.root.glob("opt/stagelog/lib/*/site-packages/numpy*"))
    assert not left, f"left behind: {left}"  # an empty folder would be an empty numpy
    roots.run(*pi.command(["/usr/bin/dpkg", "--purge", "stagelog"], place))
    left = [pi.root / path[1:] for path in _LEFT.split() if (pi.root / path[1:]).exists()]
    assert not left, (
        f"left behind: {[str(path) for folder in left for path in (folder, *folder.rglob('*'))][:20]}"
    )
    assert logs.exists(), "the logs are gone"
    return "nothing left but the logs"


def _stagelog(pi: Arm64, place: Path, *arguments: str) -> str:
    return roots.run(*pi.command([_PROGRAM, *arguments], place))


def _running(
    pi: Arm64, place: Path, verb: str, *arguments: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A verb that runs until SIGTERM; its output is in a file of its name."""
    command = pi.command([_PROGRAM, verb, *arguments], place)
    return program(command, {"PATH": os.environ["PATH"]}, place / verb)


def _log(place: Path) -> Path:
    return place / "logs" / LOG
