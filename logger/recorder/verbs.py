"""The verb `run`: record from the ports of a configuration until stopped."""

from __future__ import annotations

import faulthandler
import gc
import signal
import threading
from pathlib import Path

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.terminal import echo
from logger.config.discovery import choose, config_option

_GARBAGE_OBJECTS = 20_000
"""New objects after which Python looks for cycles of garbage, of which recording makes none. With its default of 700 it
would look through the rows that wait for the card at each few hundred frames, and through the modules being loaded."""


@click.command(name="run")
@config_option
def run(config_path: Path | None) -> None:
    """Record from the ports of a configuration until SIGTERM or Ctrl-C.

    SIGHUP reloads the configuration; if it names another stage, recording continues in that stage's log. A port that
    is missing, silent or speaks another protocol is reported once and retried until stopped; the others continue.
    """
    gc.set_threshold(_GARBAGE_OBJECTS)
    from logger.boundary import notify  # noqa: PLC0415
    from logger.config import configuration  # noqa: PLC0415 - only this verb imports it
    from logger.recorder.daemon import Recorder  # noqa: PLC0415

    faulthandler.enable()  # prints each thread's stack at a crash or the watchdog's abort
    notifier, watchdog = notify.from_environment()
    path = choose(config_path)
    recorder = Recorder(configuration.load(path))
    stop = threading.Event()
    is_reload_due = False

    def on_end(*_: object) -> None:
        stop.set()
        notifier.stopping()  # before the last rows are written, which may be slow

    def on_reload(*_: object) -> None:
        nonlocal is_reload_due
        is_reload_due = True  # not an event: its lock may be held by the thread that the signal interrupts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_end)
    signal.signal(signal.SIGHUP, on_reload)

    is_ready = False

    def on_round() -> None:
        nonlocal is_ready, is_reload_due
        if not is_ready and ((status := recorder.writer.status()).commits or status.trouble):
            is_ready = True  # also when the card refuses: a restart would not help
            notifier.ready(status.trouble or f"recording into {status.path}")
        if is_ready and watchdog.is_due(recorder.origin.t_us(), recorder.pulses()):
            notifier.alive()
        if is_reload_due:
            is_reload_due = False
            try:
                recorder.change_stage(configuration.load(path))
            except StagelogError as error:
                echo(f"stagelog: {error}; recording continues unchanged", err=True)

    gc.freeze()
    echo(f"recording into {recorder.status().writer.path}", err=True)
    recorder.run(stop, on_round)
    notifier.close()
