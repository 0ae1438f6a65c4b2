"""Generate the first `stagelog.toml` of a car, with comments, from a few answers.

Later installations do not change the file. logger.config validates the result.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from logger.config import configuration
from logger.install.plan import CONFIGURATION, LOGS
from logger.tomlconfig.messages import literal

GPS_NAME = "/dev/stagelog-gps"
CAN_NAME = "/dev/stagelog-can"
"""The stable names that the udev rules create."""
INTERFACE_NAME = "can0"
"""The kernel's name of its first CAN interface."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only together with a pin
THIS_MACHINE = "127.0.0.1"


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
    if names_interface and "protocol" not in given:
        return replace(answers, protocol="socketcan")
    if answers.protocol == "socketcan" and "can_port" not in given:
        return replace(answers, can_port=INTERFACE_NAME)
    return answers


def render(answers: Answers) -> bytes:
    """The text of the file. Raises ConfigurationError if an answer is not valid."""
    text = "\n".join((_head(answers), _gps(answers), _can(answers), _TAIL, _serve(answers)))
    configuration.loads(text, CONFIGURATION, Path(CONFIGURATION).parent)
    return text.encode()


def _head(answers: Answers) -> str:
    number = f"number = {literal(answers.number)}" if answers.number is not None else "# number = 500"
    return f"""\
# stagelog: this car's set-up. `stagelog check {CONFIGURATION}` reports every mistake. After a change run
# `systemctl reload stagelog-recorder` for another stage or crew, `systemctl restart stagelog-recorder` for the rest.
# The crew page's pin is below, so only root and the group stagelog may read this file.

[car]
{number}
# name = "Toyota Hilux"
# class = "T1+"
# crew = ["driver", "navigator"]

[log]
directory = {literal(LOGS)}       # the only directory where the recorder may write
max_loss_s = 1.0                  # seconds that a power cut may lose; a larger value wears the card less
min_free_mb = 512
"""


def _gps(answers: Answers) -> str:
    on = "" if answers.gps_port else "# "
    return f"""\
{on}[gps]
{on}port = {literal(answers.gps_port or GPS_NAME)}
{on}baud = "auto"
# init = ["$PMTK220,100*2F"]      # sent at every opening: this sets an MTK receiver to 10 fixes/s
"""


def _can(answers: Answers) -> str:
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
