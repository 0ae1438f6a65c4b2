"""One drive on an emulated processor: stagelog is installed, records, verifies, reviews, serves, and is removed."""

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
from tests.pi.installed import PROGRAM, ByPip, Installation, Packages
from tests.pi.instructions import GPS_HZ, LOG, Client, program, wait_for_rows
from tests.pi.processors import Pi

FRAMES_PER_S = 500
_COMMITTED_S = 3.0
"""Time in which everything sent is committed."""
_ANSWER_S = 120.0
"""Time in which an emulated crew server starts and answers."""


def drive(root: Path, architecture: str, seconds: float, built: Path | None, *, is_by_pip: bool) -> bool:
    """Install in an overlay of `root`, record for `seconds`, remove; print a line for each. Returns whether all did."""
    with roots.overlay(root) as changed, tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        way: Installation = (
            ByPip() if is_by_pip else Packages(roots.build_packages(place, built, architecture))
        )
        pi = Pi(changed, architecture)
        review = _review if way.has_review else _review_without_numpy
        steps: list[tuple[str, Callable[[], str]]] = [
            ("install", lambda: _install(pi, place, way)),
            ("record", lambda: _record(pi, place, seconds)),
            ("verify", lambda: _stagelog(pi, place, "verify", str(_log(place))).strip()),
            ("review", lambda: review(pi, place)),
            ("remove", lambda: _remove(pi, place, way)),
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


def _install(pi: Pi, place: Path, way: Installation) -> str:
    way.install(pi, place)
    version = _stagelog(pi, place, "--version").strip()
    return f"{version} on {roots.run(*pi.command(['/usr/bin/python3', '--version'])).strip()}"


def _record(pi: Pi, place: Path, seconds: float) -> str:
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


def _pages(pi: Pi, place: Path, config: Path) -> str:
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


def _review(pi: Pi, place: Path) -> str:
    report = json.loads(_stagelog(pi, place, "review", str(_log(place)), "--json"))
    page = place / "review.html"
    _stagelog(pi, place, "review", str(_log(place)), "--html", str(page))
    assert page.stat().st_size > 10_000, "the page is empty"
    return f"{len(report)} parts, a page of {page.stat().st_size // 1000} kB"


def _review_without_numpy(pi: Pi, place: Path) -> str:
    command = pi.command([PROGRAM, "review", str(_log(place))], place)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode and len(lines) == 1 and "numpy" in lines[0], done
    return f"refused: {lines[0]}"


def _remove(pi: Pi, place: Path, way: Installation) -> str:
    logs = pi.root / "var/lib/stagelog/kept.db"
    logs.write_bytes(_log(place).read_bytes())
    way.remove(pi, place)
    assert logs.exists(), "the logs are gone"
    return "nothing left but the logs"


def _stagelog(pi: Pi, place: Path, *arguments: str) -> str:
    return roots.run(*pi.command([PROGRAM, *arguments], place))


def _running(
    pi: Pi, place: Path, verb: str, *arguments: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A verb that runs until SIGTERM; its output is in a file of its name."""
    command = pi.command([PROGRAM, verb, *arguments], place)
    return program(command, {"PATH": os.environ["PATH"]}, place / verb)


def _log(place: Path) -> Path:
    return place / "logs" / LOG
