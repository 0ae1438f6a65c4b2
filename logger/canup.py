"""The verb that brings a CAN interface of the kernel up as the configuration says: `canup`, which root's unit calls.

The recorder may not set up an interface, so this is a program of its own, which reads the configuration, runs `ip`
and ends. Rule 1: with `listen_only = true` an interface comes up listening only, or not at all. Rule 2: one that is
set up as it should be is left alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

from firmware_bridge import can_interface
from firmware_bridge.can_interface import Interface
from firmware_bridge.errors import ConfigurationError, DeviceError
from logger import config as configs
from logger.config import Can

RESTART_MS = 100
"""A controller that went off the bus, which can only happen to one that transmits, is back after this."""
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
        click.echo(f"{interface}: no [[can]] table of {config_path} names it: left as it is")
        return
    found = can_interface.ask(interface)
    if found is None or not found.is_can:
        what = "no such interface" if found is None else "is no CAN interface"
        raise DeviceError(what, where=interface, mend="plug it in, or correct `port`")
    if is_set_up(found, can):
        click.echo(f"{interface}: is set up already")
        return
    if found.is_up:
        _ip(interface, "down")
    for arguments in setting_up(found, can):
        _ip(interface, *arguments)
    if found.kind == "can" and not can.listen_only:
        try:
            _ip(interface, "type", "can", "restart-ms", str(RESTART_MS))
        except DeviceError as error:  # some adapters come back by themselves, and refuse to be told when
            click.echo(str(error), err=True)
    _ip(interface, "up")
    click.echo(f"{interface}: up{', listening only' if can.listen_only and found.kind == 'can' else ''}")


def is_set_up(found: Interface, can: Can) -> bool:
    """Whether an interface is up and as the configuration says. A virtual one has nothing to be set."""
    if found.kind != "can" or not found.is_up:
        return found.is_up
    return can.bitrate in (None, found.bitrate) and found.listen_only == can.listen_only


def setting_up(found: Interface, can: Can) -> Sequence[Sequence[str]]:
    """What `ip link set INTERFACE` is to be told before it is brought up. Raises ConfigurationError."""
    if found.kind != "can":
        return ()
    bitrate = can.bitrate or found.bitrate
    if bitrate is None:
        what = f"[[can]] {can.name} has no bitrate, and {can.port} cannot be brought up without"
        raise ConfigurationError(what, mend="add bitrate = 500000, or that of the bus")
    listen_only = "on" if can.listen_only else "off"
    return (("type", "can", "bitrate", str(bitrate), "listen-only", listen_only),)


def _ip(interface: str, *arguments: str) -> None:
    """Run `ip link set`. Raises DeviceError."""
    command = ("ip", "link", "set", interface, *arguments)
    spoken = " ".join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise DeviceError("is not there", where="ip", mend="install Debian's package iproute2") from error
    if done.returncode:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        if "on" in arguments and "not supported" in why:
            mend = (
                "take an adapter that can, or set listen_only = false: it then acknowledges the car's frames"
            )
            raise DeviceError("it cannot listen only, and stays down", where=interface, mend=mend)
        raise DeviceError(why, where=spoken, mend="see `dmesg`, and whether this is root")
