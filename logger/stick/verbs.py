"""The verb of the USB stick. With --device it is what udev starts when one is plugged in."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_bridge.errors import ConfigurationError, DeviceError, StagelogError
from logger.boundary import own_process
from logger.boundary.terminal import echo

if TYPE_CHECKING:
    from logger.stick.status_client import Teller

EXIT_FOUND_WRONG = 1
_PATH = click.Path(path_type=Path)


@click.command(name="stick")
@click.argument("folder", type=_PATH, required=False)
@click.option(
    "--device", type=_PATH, help="Mount this device, for this process alone, and unmount it at the end."
)
@click.option("-c", "--config", "config_path", type=_PATH, required=True, help="The car's stagelog.toml.")
@click.option("--all", "every", is_flag=True, help="Also logs that were delivered before.")
def stick(folder: Path | None, device: Path | None, config_path: Path, every: bool) -> int:
    """Copy the logs that nobody has yet onto the USB stick mounted at FOLDER; the recorder may go on recording.

    Each is verified on the stick before it gets its name there and counts as delivered. With --device, FOLDER is
    where to mount it, and only a stick labelled STAGELOG, or with a file stagelog-sync on it, is written. A file
    stagelog-all on it is --all.
    """
    from logger.config import configuration as configs  # noqa: PLC0415 - a verb imports what it runs
    from logger.stick.status_client import Teller  # noqa: PLC0415

    config = configs.load(config_path)
    teller = Teller(config.live.socket)
    if folder is None:
        raise click.UsageError("missing: the folder FOLDER of the stick")
    try:
        if device is None:
            return _deliver(config.log.directory, folder, teller, every=every)
        return _from_device(device, folder, config_path, teller)
    except StagelogError as error:
        teller.tell("failed", f"{error.what}; {error.hint}" if error.hint else error.what)
        raise


def _from_device(device: Path, place: Path, config_path: Path, teller: Teller) -> int:
    """Mount, let another process that may do nothing but copy do its work, unmount, and only then say so."""
    from logger.stick.mounting import MARKER_ALL, is_marked, mounted  # noqa: PLC0415

    with mounted(device, place) as is_ours:
        if not is_ours:
            echo(f"{device} is no stick of ours, or mounted by something else: left alone")
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
                copying.terminate()  # not killed: it removes what is half copied
                raise
        said = output.splitlines()
        for line in said:
            echo(line)
    if copying.returncode in (0, EXIT_FOUND_WRONG) and said:
        state = "partly" if copying.returncode else "done"
        teller.tell(state, f"{said[-1]}. It may be pulled.")
    return copying.returncode


def _deliver(logs: Path, folder: Path, teller: Teller, *, every: bool) -> int:
    from logger.stick.delivery import deliver  # noqa: PLC0415

    _require_another_disk(folder, logs)
    teller.copying("looking what is new")
    outcomes = deliver(logs, folder, teller.copying, every=every)
    for outcome in outcomes:
        echo(f"{outcome.name}: {outcome.text}")
    copied = [outcome for outcome in outcomes if outcome.ok]
    wrong = [outcome for outcome in outcomes if not outcome.ok]
    many = "log" if len(copied) == 1 else "logs"
    said = f"{len(copied)} {many} copied, {sum(outcome.size for outcome in copied) / 1e6:.0f} MB"
    if not outcomes:
        said = "nothing new"
    elif wrong:
        said = f"{len(copied)} of {len(outcomes)} logs delivered; {wrong[0].name}: {wrong[0].text}"
    echo(said)
    teller.tell("copied", said)
    return EXIT_FOUND_WRONG if wrong else 0


def _require_another_disk(folder: Path, logs: Path) -> None:
    """A copy on the car's own card is no delivery: it would let the log be removed. Raises the errors of the tree."""
    try:
        same = folder.stat().st_dev == logs.stat().st_dev
    except OSError as error:
        raise DeviceError(
            f"cannot be looked at: {error.strerror}", where=str(error.filename or folder)
        ) from error
    if same:
        hint = "mount the stick first, and name the folder where it is"
        raise ConfigurationError("is on the same disk as the logs", where=str(folder), hint=hint)
