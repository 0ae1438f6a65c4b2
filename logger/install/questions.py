"""Prompts of the installer, each with a default; the pin is never shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

import click

from firmware_bridge.errors import ConfigurationError
from logger.boundary.terminal import echo
from logger.config.configuration import MIN_PIN_LENGTH
from logger.config.sources import CAN_PROTOCOLS
from logger.install.adapters import Adapter
from logger.install.configuration import INTERFACE_NAME, NO_DEVICE, Answers, settled

BITRATES = (125_000, 250_000, 500_000, 1_000_000)
"""Common bit rates of cars' buses; any other can be typed."""


_Command = TypeVar("_Command", bound=Callable[..., Any])


def settings_options(command: _Command) -> _Command:
    """The options of a verb for the answers, in the order of the questions; the verb's parameters have their names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--number", type=int, help="The car's number."),
    click.option("--gps-port", help="Device of the GPS receiver, or none. A USB adapter gets a stable name."),
    click.option("--can-port", help="Device of the CAN adapter, a CAN interface such as can0, or none."),
    click.option("--protocol", help=f"Protocol of the CAN adapter: {', '.join(CAN_PROTOCOLS)}."),
    click.option("--bitrate", type=int, help="Bit rate of the car's bus, in bit/s."),
    click.option(
        "--pin-file", type=click.File("rb"), help="File with the crew page's pin; - is standard input."
    ),
    click.option(
        "-y", "--yes", is_flag=True, help="Do not prompt; use the default for each option not given."
    ),
)


def ask(answers: Answers, given: Mapping[str, Any], plugged: Sequence[Adapter]) -> Answers:
    """Prompt for the answers that are not given. Raises click.Abort at Ctrl-C."""
    if "number" not in given:
        had = "" if answers.number is None else str(answers.number)
        question = "Car number" if had else "Car number (empty: none)"
        number = click.prompt(question, default=had, show_default=bool(had), value_proc=_number)
        answers = replace(answers, number=number)
    if not {"gps_port", "can_port"} <= given.keys():
        for adapter in plugged:
            echo(f"plugged in: {adapter.device} ({adapter.description or 'no description'})")
    if "gps_port" not in given:
        answers = replace(answers, gps_port=_port("GPS receiver", answers.gps_port))
    if "can_port" not in given:
        answers = replace(answers, can_port=_port("CAN adapter", answers.can_port))
    answers = settled(answers, {*given, "can_port"})
    if answers.can_port and "protocol" not in given and answers.protocol != "socketcan":
        kind = click.Choice(CAN_PROTOCOLS)
        answers = replace(
            answers, protocol=click.prompt("Protocol of the adapter", default=answers.protocol, type=kind)
        )
        if answers.protocol == "socketcan":
            name = click.prompt("Name of its network interface", default=INTERFACE_NAME)
            answers = replace(answers, can_port=name)
    if answers.can_port and "bitrate" not in given:
        usual = ", ".join(map(str, BITRATES))
        answers = replace(
            answers, bitrate=click.prompt(f"Bit rate of the bus ({usual})", default=answers.bitrate, type=int)
        )
    return answers if answers.pin is not None else replace(answers, pin=_pin())


def read_pin(source: BinaryIO) -> str:
    """Read the pin from the first line of a file. Raises ConfigurationError."""
    name = str(getattr(source, "name", "the pin's file"))
    try:
        pin = source.readline(1000).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, or use only letters and digits in the pin"
        raise ConfigurationError("not UTF-8 text", where=name, hint=hint) from error
    if len(pin) < MIN_PIN_LENGTH:
        hint = f"write at least {MIN_PIN_LENGTH} characters into its first line"
        raise ConfigurationError("the pin is too short", where=name, hint=hint)
    return pin


def _port(what: str, usual: str) -> str:
    question = f"Device of the {what} ({NO_DEVICE} if there is no {what})"
    answer: str = click.prompt(question, default=usual or NO_DEVICE)
    return "" if answer == NO_DEVICE else answer


def _number(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise click.BadParameter("type a number, or nothing")
    return int(text)


def _pin() -> str | None:
    while True:
        pin: str = click.prompt(
            "Pin for the crew page (empty: page on this machine only)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt="Repeat the pin",
        )
        if not pin or len(pin) >= MIN_PIN_LENGTH:
            return pin or None
        echo(f"at least {MIN_PIN_LENGTH} characters")
