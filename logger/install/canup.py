"""`stagelog canup`: bring a kernel CAN interface up as configured; run by `stagelog-can@.service`.

The recorder has no permission to set up an interface, so this separate program reads the configuration, runs `ip` and
ends. Rule 1: with `listen_only = true` an interface comes up listen-only or not at all. Rule 2: an interface that is
already set up as configured is not changed.
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
from logger.config.discovery import choose, config_option

RESTART_MS = 100
"""A controller restarts this long after it went bus-off, which happens only to one that transmits."""
_NOT_SUPPORTED = "not supported"
"""Part of the kernel's message for a mode that a driver does not support (EOPNOTSUPP)."""


@click.command(name="canup")
@click.argument("interface")
@config_option
def canup(interface: str, config_path: Path | None) -> None:
    """Bring the CAN interface INTERFACE up with the bit rate and `listen_only` of its [[can]] table. Needs root.

    An interface that the configuration does not name is left unchanged.
    """
    path = choose(config_path)
    config = configs.load(path)
    can = next((can for can in config.can if can.is_interface and can.port == interface), None)
    if can is None:
        echo(f"{interface}: no [[can]] table of {path} names it: left unchanged")
        return
    actual = can_interface.ask(interface)
    if actual is None or not actual.is_can:
        what = "no such interface" if actual is None else "not a CAN interface"
        raise DeviceError(what, where=interface, hint="plug it in, or correct `port`")
    expected = Expected(interface, can.bitrate or actual.bitrate, can.listen_only, can.data_bitrate)
    if is_set_up(actual, expected):
        echo(f"{interface}: is already set up")
        return
    if actual.kind == "can" and expected.bitrate is None:
        what = f"[[can]] {can.name} has no bitrate, so {interface} cannot be brought up"
        raise ConfigurationError(what, hint="add bitrate = 500000, or that of the bus")
    if actual.is_up:
        _ip(interface, "down")
    if actual.kind == "can":
        _set_up(expected)
    _ip(interface, "up")
    echo(f"{interface}: up")


def is_set_up(actual: Interface, expected: Expected) -> bool:
    """Whether an interface is up and set as configured. A virtual interface has no settings."""
    if actual.kind != "can" or not actual.is_up:
        return actual.is_up
    return (
        actual.bitrate == expected.bitrate
        and expected.data_bitrate in (None, actual.data_bitrate)
        and actual.listen_only == bool(expected.listen_only)
    )


def _set_up(expected: Expected) -> None:
    """Configure a controller that is down. Raises DeviceError if it does not support the settings."""
    try:
        _ip(expected.name, *expected.settings)
    except DeviceError as error:
        if not expected.listen_only or _NOT_SUPPORTED not in str(error):
            raise
        if expected.listen_only is True:
            what = "it does not support listen-only mode, and stays down"
            raise DeviceError(what, where=expected.name, hint=ALLOW_NORMAL) from error
        echo(f"{expected.name}: {OPEN_NORMAL}", err=True)
        expected = expected._replace(listen_only=False)
        _ip(expected.name, *expected.settings)
    if not expected.listen_only:
        try:
            _ip(expected.name, "type", "can", "restart-ms", str(RESTART_MS))
        except DeviceError as error:  # some adapters restart by themselves and refuse this setting
            echo(str(error), err=True)


def _ip(interface: str, *arguments: str) -> None:
    """Run `ip link set`. Raises DeviceError."""
    command = ("ip", "link", "set", interface, *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        hint = "install Debian's package iproute2"
        raise DeviceError("command not found", where="ip", hint=hint) from error
    if done.returncode:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise DeviceError(why, where=" ".join(command), hint="see `dmesg`, and check that this runs as root")
