"""What the options and prompts of an installation make: a first configuration, a changed one, or the present one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from firmware_bridge.errors import ConfigurationError
from logger.boundary.terminal import echo
from logger.config import configuration as configs
from logger.config.input_files import decoded
from logger.install import adapters, plan
from logger.install.card_files import NewFile, changed_configuration
from logger.install.configuration import CAN_NAME, GPS_NAME, Answers, render, settled
from logger.install.conflicts import conflicts
from logger.install.questions import ask, read_pin
from logger.install.reconfigure import configured, differences
from logger.install.root import Entry, Root
from logger.tomlconfig.schema import TomlError

_PORTS = {"gps": ("gps_port", GPS_NAME), "can": ("can_port", CAN_NAME)}
"""For an adapter's role: the option for its port, and the port's stable name."""


@dataclass(frozen=True, slots=True)
class Given:
    """The answers of the options, and where the others come from."""

    answers: Mapping[str, Any]
    pin_file: BinaryIO | None
    is_asking: bool

    def with_pin(self) -> dict[str, Any]:
        """The answers of the options, with the pin of the file. Raises ConfigurationError."""
        return dict(self.answers) | ({"pin": read_pin(self.pin_file)} if self.pin_file is not None else {})


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rules of udev, optional parts, and the configuration: the first one, or how the present one changes."""

    rules: bytes
    options: tuple[str, ...]
    configuration: bytes = b""
    changed: NewFile | None = None


def chosen(
    given: Given, root: Root, options: tuple[str, ...], without: tuple[str, ...], is_changing: bool
) -> Chosen:
    """What is installed. Prompts if it may. Raises ConfigurationError."""
    plugged = adapters.plugged() if root.is_this_machine else []
    present = root.look(plan.CONFIGURATION)
    if present is None:
        return _first(given, root, options, without, plugged)
    if is_changing:
        return _again(given, present, root, options, without, plugged)
    rules, bound = bind(root, given.answers, plugged)
    ignored = [name for name in given.answers if not bound.get(name)]
    _report_kept(ignored + (["pin_file"] if given.pin_file is not None else []))
    if present.kind == "file":
        _report_conflicts(present.content, bound, options)
    return Chosen(rules, options)


def _first(
    given: Given,
    root: Root,
    options: tuple[str, ...],
    without: tuple[str, ...],
    plugged: list[adapters.Adapter],
) -> Chosen:
    named = given.with_pin()
    answers = settled(replace(Answers(), **named), named)
    if given.is_asking:
        answers = ask(answers, named, plugged)
    rules, bound = bind(root, {"gps_port": answers.gps_port, "can_port": answers.can_port}, plugged)
    answers = replace(answers, **bound)
    configuration = render(answers)
    if answers.pin is None:
        hint = f"set pin and host under [serve] in {plan.CONFIGURATION} to allow the crew's phones"
        echo(f"without a pin the crew page is available on this machine only; {hint}", err=True)
    return Chosen(rules, _with_interface(answers, options, without), configuration)


def _again(
    given: Given,
    present: Entry,
    root: Root,
    options: tuple[str, ...],
    without: tuple[str, ...],
    plugged: list[adapters.Adapter],
) -> Chosen:
    had, named = configured(root), given.with_pin()
    if given.is_asking:
        named |= differences(had, ask(settled(replace(had, **named), named), named, plugged))
    rules, bound = bind(root, named, plugged)
    named |= bound
    try:
        file = changed_configuration(had, named, root)
    except TomlError as error:  # it names a line of the new configuration, which is not written
        where = f"{plan.CONFIGURATION} with these settings"
        raise ConfigurationError(error.what, where=where, hint=error.hint) from error
    if file is None:
        what = "was edited so that these settings are not lines of their own"
        raise ConfigurationError(what, where=plan.CONFIGURATION, hint="change them in the file")
    options = _with_interface(settled(replace(had, **named), named), options, without)
    _report_conflicts(file.content, bound, options)
    return Chosen(rules, options, changed=file if file.content != present.content else None)


def bind(
    root: Root, ports: Mapping[str, Any], plugged: list[adapters.Adapter]
) -> tuple[bytes, dict[str, Any]]:
    """udev rules for the USB adapters at `ports`, and the ports, with stable names for those adapters."""
    entry = root.look(plan.ADAPTER_RULES)
    present = entry.content.decode(errors="replace") if entry is not None else ""
    lines: dict[str, str] = {}
    bound: dict[str, Any] = {}
    for role, (option, name) in _PORTS.items():
        if (port := ports.get(option)) is None:
            continue
        bound[option] = port
        adapter = adapters.find(port, plugged) if port and port != name else None
        if adapter is not None and (line := adapters.rule(role, adapter, plugged)) is not None:
            lines[role], bound[option] = line, name
    return adapters.rules(present, lines).encode(), bound


def _with_interface(answers: Answers, options: tuple[str, ...], without: tuple[str, ...]) -> tuple[str, ...]:
    """The optional parts, with that for CAN interfaces if the adapter is one."""
    if answers.can_port and answers.protocol == "socketcan" and "socketcan" not in without:
        return tuple(sorted({*options, "socketcan"}))
    return options


def _report_kept(ignored: list[str]) -> None:
    """Report that the configuration is kept, and the options ignored for it."""
    echo(f"{plan.CONFIGURATION} exists and is kept: edit it to change settings, or use --change", err=True)
    if ignored:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in ignored)
        echo(f"{names}: for a new configuration only; ignored without --change", err=True)


def _report_conflicts(content: bytes, bound: Mapping[str, str], options: tuple[str, ...]) -> None:
    """Report the problems of a configuration with this version and this installation."""
    where = plan.CONFIGURATION
    try:
        config = configs.loads(decoded(content), where, Path(plan.CONFIGURATION_FOLDER))
    except (ConfigurationError, UnicodeDecodeError) as error:
        echo(f"the recorder will not start with it: {error}", err=True)
        return
    for text in conflicts(config, bound, options):
        echo(text, err=True)
