"""The `demo` and `simulate` commands, which need no car."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logger.boundary.extras import require
from logger.boundary.options import PATH, section_option
from logger.boundary.terminal import LiveLine, echo, progress_bar

if TYPE_CHECKING:
    from logger.recorder.daemon import RecorderStatus

_ORDINARY = ("INFO ", "crew page at ")
"""Beginnings of the lines of the crew page's process that a demonstration shows only with --verbose."""


@click.command(name="simulate")
@click.argument("stage")
@click.option("-o", "--output", "folder", type=PATH, required=True, help="Folder for the logs.")
@click.option("--car", "cars", multiple=True, help="Only this car (name or number); may be repeated.")
@click.option("--gps-hz", type=click.IntRange(1, 25), default=1, show_default=True, help="Fixes per second.")
@click.option(
    "--can-rate", type=click.IntRange(0, 10_000), default=20, show_default=True, help="CAN frames per second."
)
@section_option
def simulate(
    stage: str, folder: Path, cars: tuple[str, ...], gps_hz: int, can_rate: int, section: int | None
) -> None:
    """Simulate the logs of a whole STAGE, one per car, with the recorder's own decoders and store.

    STAGE is a built-in stage (dakar-2026-11) or the path of an itinerary. Existing logs are replaced.
    """
    from logger.demo import simulate as simulation  # noqa: PLC0415 - numpy, and the virtual car

    index = None if section is None else section - 1
    work = simulation.orders(stage, cars, gps_hz, can_rate, index, folder)
    with progress_bar(f"driving {len(work)} cars") as progress:
        logs = simulation.simulate(work, progress)
    for log in logs:
        echo(log)


@click.command(name="demo")
@click.option(
    "-o",
    "--output",
    "folder",
    type=PATH,
    default=Path("stagelog-demo"),
    show_default=True,
    help="Folder for the configuration and the logs.",
)
@click.option("--gps-hz", type=click.IntRange(1, 25), default=10, show_default=True, help="Fixes per second.")
@click.option(
    "--can-rate",
    type=click.IntRange(1, 10_000),
    default=1000,
    show_default=True,
    help="CAN frames per second.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="TCP port of the crew page. Default: 8040, or a free one if it is busy.",
)
@click.option("--open", "opens", is_flag=True, help="Open the crew page in this machine's browser.")
@click.option("--seconds", type=click.FloatRange(1), help="Stop after this time.")
@click.pass_context
def demo(
    context: click.Context,
    folder: Path,
    gps_hz: int,
    can_rate: int,
    port: int | None,
    opens: bool,
    seconds: float | None,
) -> None:
    """Drive a virtual car on real pseudo-terminals, record it, and serve the crew page, until Ctrl-C.

    The car drives stage 11 of the Dakar 2026 from a minute before its first checkpoint; the earlier part of the stage
    is written to the log first. Open the printed address in a browser. The log can be read while it is written.
    """
    # Before the imports, which take seconds on a Pi.
    require("numpy", "demo")
    echo("preparing: the stage up to the first checkpoint is driven and logged", err=True)
    from logger.demo import demo as demonstration  # noqa: PLC0415 - numpy, and the virtual car

    reserved = context.with_resource(demonstration.reserve_port(port))
    with progress_bar("the stage so far") as progress:
        prepared = demonstration.prepare(folder, progress)
    live, stop = LiveLine(), threading.Event()
    is_verbose = context.find_root().params.get("verbose", False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())

    def ready(address: str) -> None:
        echo(f"log:       {prepared.log}", err=True)
        echo("stop with Ctrl-C", err=True)
        echo(f"crew page: {address}", err=True)
        if opens:
            from logger.demo.browser import open_in_browser  # noqa: PLC0415 - only where it is asked for

            open_in_browser(address)
        if seconds is not None:
            timer = threading.Timer(seconds, stop.set)
            timer.daemon = True  # Ctrl-C may come first
            timer.start()

    def report(status: RecorderStatus) -> None:
        writer = status.writer
        links = "".join(f", {name} {link.state}" for name, link in status.links.items())
        live.show(f"recording: {writer.fixes} fixes, {writer.frames} frames, {writer.dropped} dropped{links}")

    def relay(line: str) -> None:
        if is_verbose or not line.startswith(_ORDINARY):
            echo(line, err=True)

    if not is_verbose:
        logging.getLogger("logger").setLevel(logging.WARNING)  # the address stays the last line
    try:
        demonstration.run(prepared, gps_hz, can_rate, stop, ready, report, reserved=reserved, relay=relay)
    finally:
        live.end()
    echo(f"the log is {prepared.log}", err=True)
