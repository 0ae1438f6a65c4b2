"""Generate the first `stagelog.toml` of a car, with comments, from a few answers.

`stagelog install` writes it for the services, `stagelog init` for a user's own folder. What changes it later is in
reconfigure.
logger.config validates the result.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.config.configuration import Config
from logger.install.plan import CONFIGURATION, LOGS
from logger.tomlconfig.messages import literal
from logger.tomlconfig.schema import Flaw

GPS_NAME = "/dev/stagelog-gps"
CAN_NAME = "/dev/stagelog-can"
"""The stable names that the udev rules create."""
INTERFACE_NAME = "can0"
"""The kernel's name of its first CAN interface."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only together with a pin
THIS_MACHINE = "127.0.0.1"
NO_DEVICE = "none"
"""The answer if a car has no such device."""
_WINDOWS_PORT = re.compile(r"com\d+:?", re.IGNORECASE)
_DEVICE = re.compile(r"(tty|serial|rfcomm|stagelog-)\S+", re.IGNORECASE)
"""Begins of names in /dev, which are no names of interfaces."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The settings that differ from car to car. An empty port means no such device; without a pin the page is local."""

    number: int | None = None
    gps_port: str = GPS_NAME
    can_port: str = CAN_NAME
    protocol: str = "slcan"
    bitrate: int = 500_000
    pin: str | None = None

    def __repr__(self) -> str:
        return f"Answers(number={self.number}, gps_port={self.gps_port!r}, can_port={self.can_port!r})"


def settled(answers: Answers, given: Container[str]) -> Answers:
    """Complete the answers from those that were `given`: an interface and the protocol socketcan imply each other."""
    names_interface = bool(answers.can_port) and "/" not in answers.can_port
    if "can_port" in given and "protocol" not in given and answers.protocol == "socketcan":
        answers = replace(answers, protocol=Answers().protocol)
    if names_interface and "protocol" not in given:
        return replace(answers, protocol="socketcan")
    if answers.protocol == "socketcan" and "can_port" not in given:
        return replace(answers, can_port=INTERFACE_NAME)
    return answers


def given_answers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The answers among the options of a verb, which are None unless given; the word for no device becomes ""."""
    return {
        name: "" if name.endswith("_port") and value.strip().lower() == NO_DEVICE else value
        for name, value in options.items()
        if value is not None
    }


def answers_of(config: Config) -> Answers:
    """The answers that a configuration holds: of its adapters, those of the first."""
    gps_port = config.gps.port if config.gps else ""
    answers = Answers(number=config.car.number, gps_port=gps_port, can_port="", pin=config.serve.pin)
    if not config.can:
        return answers
    can = config.can[0]
    bitrate = can.bitrate or answers.bitrate
    return replace(answers, can_port=can.port, protocol=can.protocol, bitrate=bitrate)


def port_mistakes(ports: Mapping[str, str], protocol: str | None = None) -> Iterator[Flaw]:
    """The mistakes in the ports of the answers `gps_port` and `can_port`, by name; the protocol is that of the adapter.

    The configuration accepts any path and any interface, also one that exists only in a test. People type names.
    """
    for name, port in ports.items():
        if not port:
            continue
        stable = GPS_NAME if name == "gps_port" else CAN_NAME
        if port != port.strip() or not port.isprintable():
            hint = f'write it as "{stable}"'
            yield Flaw((name,), "it has blanks or signs that are in no name of a port", hint)
        elif _WINDOWS_PORT.fullmatch(port):
            hint = f'write "{stable}", or the name that it has here, such as "/dev/ttyUSB0"'
            yield Flaw((name,), f"{port} is a name that Windows gives", hint)
        elif _DEVICE.fullmatch(port) or port.startswith("dev/"):
            hint = f'write "/dev/{port.removeprefix("dev/")}"'
            yield Flaw((name,), f'"{port}" is not the path of a device', hint)
        elif "/" in port:
            if name == "can_port" and protocol == "socketcan":
                hint = f'write "{INTERFACE_NAME}", or the protocol of the adapter, such as "{Answers().protocol}"'
                yield Flaw((name,), f'"{port}" is a device, and socketcan is for interfaces', hint)
        elif name == "gps_port":
            yield Flaw((name,), f'"{port}" is not the path of a device', f'write it as "{stable}"')
        elif protocol not in (None, "socketcan"):
            hint = 'set protocol to "socketcan", or leave it out'
            yield Flaw((name,), f'"{port}" is an interface, and {protocol} is for serial adapters', hint)


def render(answers: Answers, path: Path = Path(CONFIGURATION)) -> bytes:
    """The text of the file at `path`. Raises ConfigurationError if an answer is not valid."""
    ports = {"gps_port": answers.gps_port, "can_port": answers.can_port}
    for (name, *_), what, hint in port_mistakes(ports, answers.protocol):
        raise ConfigurationError(what, where=str(name), hint=hint)
    is_installed = path == Path(CONFIGURATION)
    head, log, tail, state = (_SERVICES_HEAD, _SERVICES_LOG, "", "") if is_installed else _OWN_FOLDER
    parts = (
        head,
        _car(answers),
        log,
        gps_table(answers),
        can_table(answers),
        _TAIL,
        tail,
        _serve(answers) + state,
    )
    text = "\n".join(filter(None, parts))
    configuration.loads(text, str(path), path.parent)
    return text.encode()


_SERVICES_HEAD = f"""\
# stagelog: this car's set-up. `stagelog check {CONFIGURATION}` reports every mistake. After a change run
# `systemctl reload stagelog-recorder` for another stage or crew, `systemctl restart stagelog-recorder` for the rest.
# The crew page's pin is below, so only root and the group stagelog may read this file.
"""
_SERVICES_LOG = f"""\
[log]
directory = {literal(LOGS)}       # the only directory where the recorder may write
max_loss_s = 1.0                  # seconds that a power cut may lose; a larger value wears the card less
min_free_mb = 512
"""
_OWN_FOLDER = (
    """\
# stagelog: this car's set-up. `stagelog check` reports every mistake in it, `stagelog doctor` every fault of the
# devices. Then `stagelog run` records, and `stagelog serve` shows the crew page. Paths start from this file's folder.
""",
    """\
[log]
directory = "logs"
max_loss_s = 1.0                  # seconds that a power cut may lose; a larger value wears the card less
min_free_mb = 512
""",
    """\
[live]
socket = "live.sock"              # where the recorder offers the live state to `stagelog serve` and `stagelog watch`
""",
    """\
state = "state"                   # which logs were downloaded
""",
)
"""Head, [log], [live] and the end of [serve] of a configuration that needs no rights outside its own folder."""


def _car(answers: Answers) -> str:
    number = f"number = {literal(answers.number)}" if answers.number is not None else "# number = 500"
    return f"""\
[car]
{number}
# name = "Toyota Hilux"
# class = "T1+"
# crew = ["driver", "navigator"]
"""


def gps_table(answers: Answers) -> str:
    """The table of the GPS receiver; without one, as comments."""
    on = "" if answers.gps_port else "# "
    return f"""\
{on}[gps]
{on}port = {literal(answers.gps_port or GPS_NAME)}
{on}baud = "auto"
# init = ["$PMTK220,100*2F"]      # sent at every opening: this sets an MTK receiver to 10 fixes/s
"""


def can_table(answers: Answers) -> str:
    """The table of the CAN adapter; without one, as comments."""
    on = "" if answers.can_port else "# "
    return f"""\
{on}[[can]]
{on}name = "engine"
{on}port = {literal(answers.can_port or CAN_NAME)}
{on}protocol = {literal(answers.protocol)}
{on}bitrate = {literal(answers.bitrate)}                  # of the car's bus, in bit/s
{on}listen_only = true                # never acknowledges on the bus; "try": does if the adapter cannot listen only
# dbc = ["engine.dbc"]            # defines the engine's values; a file in this file's directory
# preset = "obd2"
"""


_TAIL = """\
# [stage]
# itinerary = "stage.toml"        # created by `stagelog import ROUTE.gpx -o stage.toml`

# [[alarm]]
# name = "alternator"
# when = "battery_v < 13.0"
# while = "rpm > 1000"
# for_s = 10
# level = "warn"
"""


def _serve(answers: Answers) -> str:
    if answers.pin is None:
        return f"""\
[serve]
host = "{THIS_MACHINE}"               # with a pin = "..." it may be "{EVERYWHERE}", for the crew's phones
port = 8040
"""
    return f"""\
[serve]
host = "{EVERYWHERE}"
port = 8040
pin = {literal(answers.pin)}
"""
