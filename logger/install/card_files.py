"""The files of the machine that settings change: the recorder's configuration, and for a card the access point's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.config.configuration import Config
from logger.config.input_files import decoded
from logger.install.accounts import Accounts
from logger.install.card_settings import Present, Settings, network_of
from logger.install.change import edited_name
from logger.install.configuration import Answers, answers_of, render, settled
from logger.install.plan import CONFIGURATION, CONFIGURATION_FOLDER, GROUP
from logger.install.reconfigure import reconfigured
from logger.install.root import Entry, Root

ACCESS_POINT = "/etc/hostapd/wlan0.conf"
"""Read by Debian's hostapd@wlan0.service, which starts only if it is there."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write. `is_edited`: somebody edited the present one, which is kept under another name."""

    path: str
    content: bytes
    mode: int
    is_edited: bool
    group: str = "root"


def present(root: Root) -> Present:
    """The settings of the machine; those of a new installation where its configuration is not valid."""
    config = _valid(_content(root, CONFIGURATION))
    answers = answers_of(config) if config is not None else Answers()
    return Present(answers, network_of(_content(root, ACCESS_POINT)))


def changed_files(settings: Settings, root: Root) -> list[NewFile]:
    """The files that the settings change. Raises ConfigurationError if the new configuration is not valid.

    In a configuration that somebody edited only the values change.
    """
    had, network = settings.present, settings.network
    changed = changed_configuration(had.answers, settings.given, root)
    files = [changed or NewFile(CONFIGURATION, render(settings.answers), 0o640, is_edited=True, group=GROUP)]
    if network is not None and network != had.network:
        made = had.network.configuration if had.network is not None else ""
        is_edited = _content(root, ACCESS_POINT) not in ("", made)
        files.append(NewFile(ACCESS_POINT, network.configuration.encode(), 0o600, is_edited))
    return files


def changed_configuration(had: Answers, given: Mapping[str, Any], root: Root) -> NewFile | None:
    """The configuration, whose answers are `had`, with those that are `given`; None where only a new one can have them.

    Raises ConfigurationError if the result is not valid.
    """
    text = _content(root, CONFIGURATION)
    if text in ("", _rendered(had)):
        content = render(settled(replace(had, **given), given))
        return NewFile(CONFIGURATION, content, 0o640, is_edited=False, group=GROUP)
    changed = reconfigured(text, had, given) if _valid(text) is not None else None
    if changed is None:
        return None
    return NewFile(CONFIGURATION, changed.encode(), 0o640, is_edited=True, group=GROUP)


def write_all(files: Sequence[NewFile], root: Root) -> None:
    """Write all files, or none: after an error those that were written get their content back. Raises OSError."""
    written: list[tuple[str, Entry | None]] = []
    try:
        for file in files:
            was = root.look(file.path)
            if was is not None and file.is_edited:
                kept = PurePosixPath(file.path).with_name(edited_name(file.path, root))
                root.write(str(kept), was.content, was.mode, was.uid, was.gid)
            root.write(file.path, file.content, file.mode, 0, Accounts(root).gid(file.group) or 0)
            written.append((file.path, was))
    except BaseException:
        for path, was in written:
            if was is None:
                root.remove(path)
            else:
                root.write(path, was.content, was.mode, was.uid, was.gid)
        raise


def _content(root: Root, path: str) -> str:
    """The text of a file; "" if there is none."""
    entry = root.look(path)
    if entry is None:
        return ""
    try:
        return decoded(entry.content)
    except UnicodeDecodeError:
        return entry.content.decode(errors="replace")


def _valid(text: str) -> Config | None:
    """The configuration in a text; None if it is not valid."""
    with suppress(ConfigurationError):
        return configuration.loads(text, CONFIGURATION, Path(CONFIGURATION_FOLDER))
    return None


def _rendered(answers: Answers) -> str:
    """The configuration that the settings made, if nobody edited it."""
    with suppress(ConfigurationError):
        return render(answers).decode()
    return ""
