"""The verb that brings a CAN interface of the kernel up as the configuration says: `canup`, which root's unit calls.

The recorder may not set up an interface, so this is a program of its own, which reads the configuration, runs `ip`
and ends. Rule 1: with `listen_only = true` an interface comes up listening only, or not at all. Rule 2: one that is
set up as it should be is left alone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from firmware_bridge.devices import can_interface
from firmware_bridge.devices.can_interface import Expected, Interface
from firmware_bridge.errors import ConfigurationError, DeviceError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL
from logger.boundary.terminal import echo
from logger.config import configuration as configs

RESTART_MS = 100
"""A controller that went off the bus, which can only happen to one that transmits, is back after this."""
_NOT_SUPPORTED = "not supported"
"""In the kernel's word for a mode that a driver does not have (EOPNOTSUPP)."""
_PATH = click.Path(path_type=Path)


@click.command(name="canup")
@click.argument("interface")
@click.option(
    "-c", "--config", "config_path", type=_PATH, required=True, help="The configuration, stagelog.toml."
)
def canup(interface: str, config_path: Path) -> None:
    """Bring the CAN interface INTERFACE up with the bit rate and `listen_only` of its [[can]] table. Needs root.

    One that the configuration does not name is left alone.
    """
    config = configs.load(config_path)
    can = next((can for can in config.can if can.is_interface and can.port == interface), None)
    if can is None:
        echo(f"{interface}: no [[can]] table of {config_path} names it: left as it is")
        return
    found = can_interface.ask(interface)
    if found is None or not found.is_can:
        what = "no such interface" if found is None else "is no CAN interface"
        raise DeviceError(what, where=interface, hint="plug it in, or correct `port`")
    expected = Expected(interface, can.bitrate or found.bitrate, can.listen_only, can.data_bitrate)
    if is_set_up(found, expected):
        echo(f"{interface}: is set up already")
        return
    if found.kind == "can" and expected.bitrate is None:
        what = f"[[can]] {can.name} has no bitrate, and {interface} cannot be brought up without"
        raise ConfigurationError(what, hint="add bitrate = 500000, or that of the bus")
    if found.is_up:
        _ip(interface, "down")
    if found.kind == "can":
        _set_up(expected)
    _ip(interface, "up")
    echo(f"{interface}: up")


def is_set_up(found: Interface, expected: Expected) -> bool:
    """Whether an interface is up and as the configuration says. A virtual one has nothing to be set."""
    if found.kind != "can" or not found.is_up:
        return found.is_up
    return (
        found.bitrate == expected.bitrate
        and expected.data_bitrate in (None, found.data_bitrate)
        and found.listen_only == bool(expected.listen_only)
    )


def _set_up(expected: Expected) -> None:
    """Set a controller that is down. Raises DeviceError where it cannot be what it must."""
    try:
        _ip(expected.name, *expected.settings)
    except DeviceError as error:
        if not expected.listen_only or _NOT_SUPPORTED not in str(error):
            raise
        if expected.listen_only is True:
            what = "it cannot listen only, and stays down"
            raise DeviceError(what, where=expected.name, hint=ALLOW_NORMAL) from error
        echo(f"{expected.name}: {OPEN_NORMAL}", err=True)
        expected = expected._replace(listen_only=False)
        _ip(expected.name, *expected.settings)
    if not expected.listen_only:
        try:
            _ip(expected.name, "type", "can", "restart-ms", str(RESTART_MS))
        except DeviceError as error:  # some adapters come back by themselves, and refuse to be told when
            echo(str(error), err=True)


def _ip(interface: str, *arguments: str) -> None:
    """Run `ip link set`. Raises DeviceError."""
    command = ("ip", "link", "set", interface, *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise DeviceError("is not there", where="ip", hint="install Debian's package iproute2") from error
    if done.returncode:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise DeviceError(why, where=" ".join(command), hint="see `dmesg`, and whether this is root")
