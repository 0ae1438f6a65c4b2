"""Change the answers in an existing configuration. Its comments, its order and all other keys stay.

`python -m logger.install.reconfigure` prints the present answers for the questions of the Debian package.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.terminal import echo
from logger.config import configuration
from logger.config.input_files import decoded
from logger.install.configuration import (
    EVERYWHERE,
    NO_DEVICE,
    Answers,
    answers_of,
    can_table,
    gps_table,
    port_mistakes,
    settled,
)
from logger.install.plan import CONFIGURATION, CONFIGURATION_FOLDER
from logger.install.rewrite import with_table, with_values, without_table
from logger.install.root import Root
from logger.tomlconfig.positions import KeyPath

_DEVICES = {"gps": ("gps_port", gps_table), "can": ("can_port", can_table)}
"""For the table of a device: the answer that is its port, and the text of a new one."""
_NAMES = {
    ("car", "number"): "number",
    ("gps", "port"): "gps_port",
    ("can", 0, "port"): "can_port",
    ("can", 0, "protocol"): "protocol",
    ("can", 0, "bitrate"): "bitrate",
    ("serve", "pin"): "pin",
}
"""The key of each answer."""


def configured(root: Root) -> Answers:
    """The answers in the configuration of a machine. Raises ConfigurationError if it cannot be changed."""
    entry = root.look(CONFIGURATION)
    if entry is None or entry.kind != "file":
        hint = "change the settings in the file that it points to"
        raise ConfigurationError("not a file", where=CONFIGURATION, hint=hint)
    try:
        text = decoded(entry.content)
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8 text", where=CONFIGURATION, hint="save it as UTF-8") from error
    return answers_of(configuration.loads(text, CONFIGURATION, Path(CONFIGURATION_FOLDER)))


def differences(had: Answers, answers: Answers) -> dict[str, Any]:
    """The answers that are no longer what they were, by name."""
    new = {field.name: getattr(answers, field.name) for field in fields(Answers)}
    return {name: value for name, value in new.items() if value != getattr(had, name)}


def reconfigured(text: str, had: Answers, given: Mapping[str, Any]) -> str | None:
    """The valid configuration `text`, whose answers are `had`, with those that are `given`.

    None where a line for each is not enough. Raises ConfigurationError if the result is not valid.
    """
    new = settled(replace(had, **given), given)
    for (name, *_), what, hint in port_mistakes(
        {"gps_port": new.gps_port, "can_port": new.can_port}, new.protocol
    ):
        if name in given or (name == "can_port" and "protocol" in given):
            raise ConfigurationError(what, where=f"--{str(name).replace('_', '-')}", hint=hint)
    values = values_of(had, given)
    changed: str | None = text
    for table, (port, new_table) in _DEVICES.items():
        is_there = bool(getattr(new, port))
        if changed is not None and is_there != bool(getattr(had, port)):
            changed = with_table(changed, new_table(new)) if is_there else without_table(changed, table)
            values = {path: value for path, value in values.items() if path[0] != table}
    changed = with_values(changed, values) if changed is not None else None
    if changed is not None:
        configuration.loads(changed, CONFIGURATION, Path(CONFIGURATION_FOLDER))
    return changed


def values_of(had: Answers, given: Mapping[str, Any]) -> dict[KeyPath, Any]:
    """The keys of the configuration that the `given` answers change, and their values."""
    new = settled(replace(had, **given), given)
    names = set(given)
    if {"can_port", "protocol"} & names:  # each may imply the other
        names |= {"can_port", "protocol"}
    values: dict[KeyPath, Any] = {path: getattr(new, name) for path, name in _NAMES.items() if name in names}
    if "pin" in names and had.pin is None:
        values["serve", "host"] = EVERYWHERE
    return values


def main() -> int:
    """Print the present answers but the pin, as NAME=VALUE. Returns 1 if the configuration cannot be changed."""
    try:
        answers = configured(Root())
    except (StagelogError, OSError) as error:
        echo(error, err=True)
        return 1
    for field in fields(answers):
        value = getattr(answers, field.name)
        if field.name.endswith("_port"):
            value = value or NO_DEVICE
        if field.name != "pin" and value is not None and str(value).isprintable():
            echo(f"{field.name.replace('_', '-')}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
