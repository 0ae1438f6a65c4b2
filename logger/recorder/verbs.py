"""The recorder's verbs: run, replay, logs, info, verify. They open things; plain functions do the work."""

from __future__ import annotations

import faulthandler
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.terminal import echo, echo_json, print_table, progress_bar

EXIT_FOUND_WRONG = 1

_PATH = click.Path(path_type=Path)
_configuration = click.option(
    "-c", "--config", "config_path", type=_PATH, required=True, help="The configuration, stagelog.toml."
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


@click.command(name="replay")
@click.argument("file", type=_PATH)
@click.option("--protocol", help="The file is raw bytes of a port that spoke this: slcan, gvret, nmea ...")
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    default=115_200,
    show_default=True,
    help="Pace of raw bytes, bit/s.",
)
@click.option("--dbc", multiple=True, type=_PATH, help="Read the engine's frames with this DBC file.")
@click.option("--preset", multiple=True, help="Read the engine's frames with a preset: obd2.")
@click.option(
    "--as-dated", is_flag=True, help="Its dates are true: a log of 2007 or before, not a week rollover."
)
@click.option("-o", "--output", type=_PATH, help="Make a log of it in this folder.")
def replay(
    file: Path,
    protocol: str | None,
    baud: int,
    dbc: tuple[Path, ...],
    preset: tuple[str, ...],
    as_dated: bool,
    output: Path | None,
) -> None:
    """Put a recording through the recorder's computation again.

    FILE is a log, an NMEA text, a CAN log (candump, SavvyCAN CSV, ASC, BLF, TRC, BUSMASTER, MF4, python-can's own), or,
    with --protocol, bytes caught from a port. Texts may be gzipped. Prints the result; with -o, makes a log of it.
    """
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.replay import replaying  # noqa: PLC0415
    from logger.replay.replay import Capture  # noqa: PLC0415

    capture = Capture(file, protocol, baud, read_dbcs(dbc), preset, as_dated=as_dated)
    with progress_bar(f"replaying {file.name}") as progress:
        outcome = replaying.replay(capture, output, progress)
    for line in outcome.lines():
        echo(line)


@click.command(name="logs")
@click.argument("folder", type=_PATH, default=Path(), required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list.")
def logs(folder: Path, as_json: bool) -> None:
    """List the logs in FOLDER (here, if left out): stage, car, begin, duration, rows, size, state."""
    from logger.logfile import reader  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    for path in reader.logs_in(folder):
        try:
            found.append(_summary(reader.info(path)))
        except StagelogError as error:
            found.append({"log": path.name, "state": error.what})
    if as_json:
        echo_json(found)
    elif not found:
        echo(f"no logs in {folder.resolve()}")
    else:
        columns = ["log", "stage", "begun", "duration", "fixes", "frames", "size", "state"]
        print_table(columns, [[str(row.get(column, "")) for column in columns] for row in found])


@click.command(name="info")
@click.argument("log", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def info(log: Path, as_json: bool) -> None:
    """Tell what is in LOG: stage, car, sessions, rows a table, and the texts it carries."""
    from logger.logfile import reader  # noqa: PLC0415
    from logger.logfile.meta import car_of  # noqa: PLC0415

    found = reader.info(log)
    told = _summary(found) | {
        "car": car_of(found.meta),
        "software": found.meta.get("software", ""),
        "carries": sorted(key for key in found.meta if key.startswith("dbc:") or key == "itinerary"),
        "rows": found.rows,
        "sessions": [
            {
                "session": session.id,
                "begun": _utc(session.first_utc_us),
                "duration": _duration(session.duration_s),
                "ended": session.ended or ("recording, or power cut" if found.open else "power cut"),
                "software": session.software,
            }
            for session in found.sessions
        ],
    }
    if as_json:
        echo_json(told)
        return
    for key, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            echo(f"{key}:")
            for item in value:
                echo("  " + ", ".join(f"{name} {text}" for name, text in item.items()))
        elif isinstance(value, dict):
            echo(f"{key}: " + ", ".join(f"{name} {text}" for name, text in value.items()))
        else:
            echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


@click.command(name="verify")
@click.argument("log", type=_PATH, nargs=-1, required=True)
def verify(log: tuple[Path, ...]) -> int:
    """Tell whether each LOG is whole; exit 1, with the reasons, when one is not."""
    from logger.logfile.verify import verify as find_problems  # noqa: PLC0415

    damaged = False
    for path in log:
        with progress_bar(f"verifying {path.name}") as progress:
            problems = find_problems(path, progress)
        damaged = damaged or bool(problems)
        echo(f"{path}: {'NOT whole' if problems else 'whole'}")
        for problem in problems:
            echo(f"  {problem}")
    return EXIT_FOUND_WRONG if damaged else 0


def _summary(found: Any) -> dict[str, Any]:
    first = next((session.first_utc_us for session in found.sessions if session.first_utc_us), None)
    return {
        "log": found.path.name,
        "stage": found.stage,
        "begun": _utc(first),
        "duration": _duration(found.duration_s),
        "fixes": found.rows["fix"],
        "frames": found.rows["frame"],
        "size": f"{found.size_bytes / 1e6:.1f} MB",
        "state": "open" if found.open else "closed",
    }


def _utc(utc_us: int | None) -> str:
    return (
        "-"
        if utc_us is None
        else datetime.fromtimestamp(utc_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    )


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
