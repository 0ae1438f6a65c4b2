"""Command-line interface of the verb stick; udev starts it with --device when a stick is plugged in."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_bridge.errors import ConfigurationError, DeviceError, StagelogError
from logger.boundary import own_process
from logger.boundary.options import PATH
from logger.boundary.os_errors import hint_for
from logger.boundary.terminal import echo
from logger.config.discovery import choose, config_option

if TYPE_CHECKING:
    from logger.stick.status_client import StatusClient

EXIT_FOUND_WRONG = 1


@click.command(name="stick")
@click.argument("folder", type=PATH, required=False)
@click.option(
    "--device", type=PATH, help="Mount this device, visible to this process only, and unmount it at the end."
)
@config_option
@click.option("--all", "every", is_flag=True, help="Also logs that were delivered before.")
def stick(folder: Path | None, device: Path | None, config_path: Path | None, every: bool) -> int:
    """Copy the logs not yet downloaded to the USB stick mounted at FOLDER; the recorder may continue recording.

    Each log is verified on the stick before it gets its name there and counts as delivered. With --device, FOLDER is
    the mount point, and only a stick with the label STAGELOG, or with a file stagelog-sync on it, is written. A file
    stagelog-all on the stick means --all.
    """
    from logger.config import configuration as configs  # noqa: PLC0415 - a verb imports what it runs
    from logger.stick.status_client import StatusClient  # noqa: PLC0415

    path = choose(config_path)
    config = configs.load(path)
    status = StatusClient(config.live.socket)
    if folder is None:
        raise click.UsageError("missing argument FOLDER: the folder of the stick")
    try:
        if device is None:
            return _deliver(config.log.directory, folder, status, every=every)
        return _from_device(device, folder, path, status)
    except StagelogError as error:
        status.send("failed", f"{error.what}; {error.hint}" if error.hint else error.what)
        raise


def _from_device(device: Path, place: Path, config_path: Path, status: StatusClient) -> int:
    """Mount the stick, copy in an unprivileged child process, unmount, and only then report that it is done."""
    from logger.stick.mounting import MARKER_ALL, is_marked, mounted  # noqa: PLC0415

    with mounted(device, place) as is_ours:
        if not is_ours:
            echo(f"{device} has no STAGELOG label or marker file, or is already mounted: left alone")
            return 0
        program = [*own_process.command("logger", "stick", str(place), "-c", str(config_path))]
        if is_marked(place, MARKER_ALL):
            program.append("--all")
        with subprocess.Popen(  # noqa: S603 - ourselves
            program, stdout=subprocess.PIPE, text=True, env=own_process.environment()
        ) as copying:
            try:
                output, _ = copying.communicate()
            except BaseException:
                copying.terminate()  # not killed: it removes its unfinished copy
                raise
        lines = output.splitlines()
        for line in lines:
            echo(line)
    if copying.returncode in (0, EXIT_FOUND_WRONG) and lines:
        state = "partly" if copying.returncode else "done"
        status.send(state, f"{lines[-1]}. It may be pulled.")
    return copying.returncode


def _deliver(logs: Path, folder: Path, status: StatusClient, *, every: bool) -> int:
    from logger.stick.delivery import deliver  # noqa: PLC0415

    _require_another_disk(folder, logs)
    status.copying("searching for new logs")
    outcomes = deliver(logs, folder, status.copying, every=every)
    for outcome in outcomes:
        echo(f"{outcome.name}: {outcome.text}")
    copied = [outcome for outcome in outcomes if outcome.ok]
    wrong = [outcome for outcome in outcomes if not outcome.ok]
    many = "log" if len(copied) == 1 else "logs"
    summary = f"{len(copied)} {many} copied, {sum(outcome.size for outcome in copied) / 1e6:.0f} MB"
    if not outcomes:
        summary = "nothing new"
    elif wrong:
        summary = f"{len(copied)} of {len(outcomes)} logs delivered; {wrong[0].name}: {wrong[0].text}"
    echo(summary)
    status.send("copied", summary)
    return EXIT_FOUND_WRONG if wrong else 0


def _require_another_disk(folder: Path, logs: Path) -> None:
    """Refuse a folder on the logs' own disk: such a copy would count as a delivery. Raises a StagelogError."""
    hint = "mount the stick, and name the folder where it is"
    if folder.is_file():
        raise ConfigurationError("a file, not the folder of a stick", where=str(folder), hint=hint)
    try:
        same = folder.stat().st_dev == logs.stat().st_dev
    except OSError as error:
        where = str(error.filename or folder)
        raise DeviceError(
            f"cannot be read: {error.strerror}", where=where, hint=hint_for(error, hint)
        ) from error
    if same:
        hint = "mount the stick first, and name the folder where it is"
        raise ConfigurationError("is on the same disk as the logs", where=str(folder), hint=hint)
