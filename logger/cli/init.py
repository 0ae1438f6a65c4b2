"""The verb `init`: write a first configuration for the devices that are plugged in."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.os_errors import named
from logger.boundary.terminal import echo, progress_bar
from logger.config.discovery import HERE
from logger.install.configuration import Answers, given_answers, render, settled
from logger.install.questions import ask, read_pin, settings_options

if TYPE_CHECKING:
    from logger.doctor.recognition import Device

GUESS = "/dev/ttyACM0"
"""The receiver's port if nothing is plugged in: where most USB receivers appear."""
_PORTS = ("gps_port", "can_port")
"""The answers that name a port."""
_PATH = click.Path(path_type=Path)


@click.command(name="init")
@click.argument("port", nargs=-1)
@click.option("-o", "--output", type=_PATH, default=HERE, show_default=True, help="The file to write.")
@settings_options
def init(port: tuple[str, ...], output: Path, pin_file: BinaryIO | None, yes: bool, **flags: Any) -> None:
    """Write a commented configuration for the GPS receiver and the CAN adapter that are plugged in.

    Listens to each PORT, by default to all serial adapters and CAN interfaces, and asks silent adapters which protocol
    they speak. It never transmits on a bus. On a terminal it then prompts for the settings, otherwise it takes the
    defaults. An existing file is never changed. Needs no root; logs and live socket are beside the file.
    """
    from logger.doctor.recognition import recognize_all  # noqa: PLC0415 - a verb imports what it runs

    if os.path.lexists(output):
        hint = f"edit it, or write another file with -o; `stagelog check {output}` checks it"
        raise StagelogError("exists and is kept", where=str(output), hint=hint)
    given = given_answers(flags)
    devices = _candidates(port, given)
    if devices:
        with progress_bar(f"listening to {len(devices)} ports") as progress:
            devices = recognize_all(devices, threading.Event(), progress)
    else:
        echo("no serial adapter and no CAN interface is plugged in", err=True)
    for device in devices:
        echo(device)
    answers = settled(replace(_found(devices, given), **given), given)
    if pin_file is not None:
        answers = replace(answers, pin=read_pin(pin_file))
    if sys.stdin.isatty() and not yes:
        answers = ask(answers, given, plugged=())
    _write(output, render(answers, output), is_secret=answers.pin is not None)
    _report(output, answers, devices)


def _candidates(names: Sequence[str], given: Mapping[str, Any]) -> list[Device]:
    """The ports to look at: `names`, else all that are plugged in, and those that are given as answers."""
    from logger.doctor.recognition import at, plugged  # noqa: PLC0415 - a verb imports what it runs

    answered = [at(given[option]) for option in _PORTS if "/" in given.get(option, "")]
    devices = [at(name) for name in names]
    if not names and not all(option in given for option in _PORTS):
        devices = plugged()
    return list({device.port: device for device in (*devices, *answered)}.values())


def _found(devices: Sequence[Device], given: Mapping[str, Any]) -> Answers:
    """The answers that the devices give; without any, a receiver at the usual port."""
    from logger.doctor.recognition import at  # noqa: PLC0415 - a verb imports what it runs

    gps = next((device for device in devices if device.is_gps), None)
    wanted = at(given["can_port"]).port if given.get("can_port") else None
    can = next((device for device in devices if device.is_can and wanted in (None, device.port)), None)
    answers = Answers(gps_port=gps.port if gps else "", can_port=can.port if can else "")
    if can is None:
        return answers if gps or wanted else replace(answers, gps_port=GUESS)
    return replace(answers, protocol=can.protocol, bitrate=can.bitrate or answers.bitrate)


def _write(path: Path, text: bytes, *, is_secret: bool) -> None:
    """Write a new file. Raises FileExistsError if it has appeared meanwhile, OSError."""
    with named(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)


def _report(path: Path, answers: Answers, devices: Sequence[Device]) -> None:
    from logger.doctor.recognition import at  # noqa: PLC0415 - a verb imports what it runs

    used = {at(port).port: port for port in (answers.gps_port, answers.can_port) if port}
    recognized = {device.port for device in devices if device.protocol}
    for device in devices:
        if device.protocol and device.port not in used:
            echo(f"{device.port} is not in the configuration: add a table for it", err=True)
    for name, port in used.items():
        if name not in recognized:
            echo(f"no device was recognised at {port}: correct that port when it is plugged in", err=True)
    option = "" if path == HERE else f" -c {path}"
    echo(f"{path}: written; next: `stagelog doctor{option}`, then `stagelog run{option}`")
