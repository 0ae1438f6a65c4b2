"""The verb `run`: record from the ports of a configuration until stopped."""

from __future__ import annotations

import faulthandler
import signal
import threading
from pathlib import Path

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.terminal import echo

_configuration = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    required=True,
    help="The configuration, stagelog.toml.",
)


@click.command(name="run")
@_configuration
def run(config_path: Path) -> None:
    """Record from the ports of a configuration until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again and goes on in the log of another stage if it names one. A port that
    is missing, silent or speaks something else is said once, and looked for again for ever; the others go on.
    """
    from logger.boundary import notify  # noqa: PLC0415
    from logger.config import configuration  # noqa: PLC0415 - what follows is imported only by the recorder
    from logger.recorder.daemon import Recorder  # noqa: PLC0415

    faulthandler.enable()  # a crash in a library, or the watchdog's abort, tells where each thread stood
    notifier, watchdog = notify.from_environment()
    recorder = Recorder(configuration.load(config_path))
    stop = threading.Event()
    reread = threading.Event()

    def on_end(*_: object) -> None:
        stop.set()
        notifier.stopping()  # before what is left is brought to the card, which may take its time

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_end)
    signal.signal(signal.SIGHUP, lambda *_: reread.set())

    is_ready = False

    def on_round() -> None:
        nonlocal is_ready
        if not is_ready and ((status := recorder.writer.status()).commits or status.trouble):
            is_ready = True  # with a card that refuses, too: a restart would not mend it
            notifier.ready(status.trouble or f"recording into {status.path}")
        if is_ready and watchdog.is_due(recorder.origin.t_us(), recorder.pulses()):
            notifier.alive()
        if reread.is_set():
            reread.clear()
            try:
                recorder.change_stage(configuration.load(config_path))
            except StagelogError as error:
                echo(f"stagelog: {error}; recording goes on as before", err=True)

    echo(f"recording into {recorder.status().writer.path}", err=True)
    recorder.run(stop, on_round)
    notifier.close()
