"""The first configuration of a car: commented, from a few answers. From then on the file is its owner's.

Knows the keys of `stagelog.toml` and the comment beside each; logger.config judges the result.
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
"""The stable names that the udev rules give."""
INTERFACE_NAME = "can0"
"""What the kernel calls its first CAN interface."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only together with a pin
THIS_MACHINE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answers:
    """What differs from car to car. An empty port: there is no such device. Without a pin the page stays local."""

    number: int | None = None
    gps_port: str = GPS_NAME
    can_port: str = CAN_NAME
    protocol: str = "slcan"
    bitrate: int = 500_000
    pin: str | None = None

    def __repr__(self) -> str:
        return f"Answers(number={self.number}, gps_port={self.gps_port!r}, can_port={self.can_port!r})"


def settled(answers: Answers, given: Container[str]) -> Answers:
    """The answers with what follows from those that were `given`: an interface and its protocol imply each other."""
    names_interface = bool(answers.can_port) and "/" not in answers.can_port
    if names_interface and "protocol" not in given:
        return replace(answers, protocol="socketcan")
    if answers.protocol == "socketcan" and "can_port" not in given:
        return replace(answers, can_port=INTERFACE_NAME)
    return answers


def render(answers: Answers) -> bytes:
    """The file's text. Raises ConfigurationError where an answer is not one that the recorder can work with."""
    text = "\n".join((_head(answers), _gps(answers), _can(answers), _TAIL, _serve(answers)))
    configuration.loads(text, CONFIGURATION, Path(CONFIGURATION).parent)
    return text.encode()


def _head(answers: Answers) -> str:
    number = f"number = {literal(answers.number)}" if answers.number is not None else "# number = 500"
    return f"""\
# stagelog: this car's set-up. `stagelog check {CONFIGURATION}` finds every mistake at once. After a change:
# `systemctl reload stagelog-recorder` for another stage or crew, `systemctl restart stagelog-recorder` for the rest.
# The crew page's pin stands below, so only root and the group stagelog may read this file.

[car]
{number}
# name = "Toyota Hilux"
# class = "T1+"
# crew = ["driver", "navigator"]

[log]
directory = {literal(LOGS)}       # the only place where the recorder may write
max_loss_s = 1.0                  # what a power cut may cost; longer spares the card
min_free_mb = 512
"""


def _gps(answers: Answers) -> str:
    on = "" if answers.gps_port else "# "
    return f"""\
{on}[gps]
{on}port = {literal(answers.gps_port or GPS_NAME)}
{on}baud = "auto"
# init = ["$PMTK220,100*2F"]      # sent at every opening: this one asks an MTK receiver for 10 fixes a second
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
# dbc = ["engine.dbc"]            # names the engine's values; the file lies beside this one
# preset = "obd2"
"""


_TAIL = """\
# [stage]
# itinerary = "stage.toml"        # made by `stagelog import ROUTE.gpx -o stage.toml`

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
host = "{THIS_MACHINE}"               # with a pin = "..." it may be "{EVERYWHERE}": the page for the crew's telephones
port = 8040
"""
    return f"""\
[serve]
host = "{EVERYWHERE}"
port = 8040
pin = {literal(answers.pin)}
"""
