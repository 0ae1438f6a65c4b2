"""Settings on the boot partition of an SD card, applied at the next boot: `python -m logger.install.card FOLDER`.

The boot partition is FAT, so any computer can edit the file there: car number, pin, Wi-Fi. Valid settings go into the
configuration and the access point's, and the file is removed: pins and passwords do not stay on a partition that
everybody can read. A mistake changes nothing: the recorder keeps the configuration that it had. Either way the result
is in a second file there, one line per mistake.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.terminal import echo
from logger.boundary.whole_file import write_whole
from logger.config.input_files import read_text
from logger.install.card_files import changed_files, present, write_all
from logger.install.card_settings import Settings, setting_names
from logger.install.root import Root
from logger.tomlconfig.schema import TomlError, TomlFile

SETTINGS = "stagelog-settings.txt"
"""Its name ends in .txt because a double click then opens it in an editor on every system. Its syntax is TOML."""
RESULT = "stagelog-result.txt"
_NAMES = re.compile(r"(stagelog-settings|stagel~\d).*(?<!~)(?<!\.bak)", re.IGNORECASE)
"""Also what a computer makes of the name: .txt.txt, "(1)", .rtf, capital letters, the short name of FAT.

An editor's backup is not read. The same names are in systemd/image/has-settings.sh.
"""
_OTHER = re.compile(r"[^.].*\.(txt|text|toml|ini|cfg|conf)", re.IGNORECASE)
"""Names that somebody may give to a file of settings. A file of such a name is not read, but reported."""
_SETTING = re.compile(
    rb"^[^\w#\n]*(?:" + "|".join(setting_names()).encode() + rb")[ \t]*[=:]", re.IGNORECASE | re.MULTILINE
)
"""A line that sets something; a byte order mark may be before it. The same is in systemd/image/has-settings.sh."""
_MAX_BYTES = 65536
"""Of another file, in which settings are looked for."""
_MAX_LINES = 1000
"""Of a file whose lines are checked one by one after a mistake."""


def main(arguments: Sequence[str]) -> int:
    """Apply the settings in a folder. Returns 1 if they have a mistake or cannot be applied."""
    boot = Path(arguments[0])
    try:
        result, code = applied(boot, Root()), 0
    except TomlError as error:
        result, code = "\n".join(map(str, error.problems)), 1
    except (StagelogError, OSError) as error:
        result, code = str(error), 1
    lines = [*result.splitlines(), *not_read(boot)]
    for line in lines:
        echo(line)
    if lines:
        try:
            write_whole(boot / RESULT, "\n".join(lines) + "\n")
        except OSError as error:
            echo(error, err=True)
            code = 1
    return code


def applied(boot: Path, root: Root) -> str:
    """Apply the settings in `boot` to a machine. Returns the result as text, "" if there are none.

    Raises TomlError with every mistake, ConfigurationError, OSError.
    """
    texts = {file: _text(file) for file in sorted(boot.iterdir()) if _NAMES.fullmatch(file.name)}
    found = [file for file, text in texts.items() if _has_settings(text)]
    if not found:
        return ""
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise ConfigurationError("each has settings", where=names, hint="keep one of them")
    (file,) = found
    if not os.access(file, os.W_OK):
        hint = "mount the boot partition read-write: settings with a pin must not stay there"
        raise ConfigurationError("cannot be removed after it is applied", where=str(file), hint=hint)
    settings = _toml(texts[file], file.name).build(Settings, present=present(root))
    try:
        changes = changed_files(settings, root)
    except ConfigurationError as error:  # it names a line of the new configuration, which nobody sees
        raise ConfigurationError(error.what, where=file.name, hint=error.hint) from error
    write_all(changes, root)
    _forget(file)
    answers, network = settings.answers, settings.network
    number = "no number" if answers.number is None else f"car {answers.number}"
    page = "for the crew's tablets, with the pin" if answers.pin is not None else "on this machine only"
    wifi = f"; Wi-Fi {network.name}" if network is not None else ""
    return f"applied: {number}; crew page {page}{wifi}"


def not_read(boot: Path) -> list[str]:
    """A line for each file that looks like settings, but has a name of its owner's own invention."""
    found = []
    with suppress(OSError):
        for file in sorted(boot.iterdir()):
            is_other = _OTHER.fullmatch(file.name) and not _NAMES.fullmatch(file.name) and file.name != RESULT
            if is_other and file.is_file() and _SETTING.search(_first_bytes(file)):
                found.append(f"{file.name}: it has settings, but is not read; move them into {SETTINGS}")
    return found


def _first_bytes(file: Path) -> bytes:
    """The beginning of a file, with Unix line ends, whatever its encoding; nothing if it cannot be read."""
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(_MAX_BYTES).replace(b"\0", b"").replace(b"\r", b"\n")
    return b""


def _text(file: Path) -> str:
    """The text of a settings file, with Unix line ends. Raises ConfigurationError for what no editor shows."""
    try:
        text = (
            read_text(file, hint=f"put a plain text file {SETTINGS} there")
            .replace("\r\n", "\n")
            .replace("\r", "\n")
        )
    except ConfigurationError as error:
        where = error.where.removeprefix(f"{file.parent}/")
        raise ConfigurationError(error.what, where=where, hint=error.hint) from error
    for number, line in enumerate(text.split("\n"), 1):
        odd = next((sign for sign in line if not (sign.isprintable() or sign == "\t")), None)
        if odd is None or line.lstrip().startswith("#"):
            continue
        what, hint = f"an invisible character (U+{ord(odd):04X})", "delete the line and type it again"
        if odd == "\0":
            what = "the file is damaged: it has zero bytes"
            hint = "write it again, and eject the card before you pull it out"
        raise ConfigurationError(what, where=f"{file.name}:{number}", hint=hint)
    return text


def _toml(text: str, name: str) -> TomlFile:
    """The text as TOML. Raises TomlError with every line that is not: each value is on a line of its own."""
    try:
        return TomlFile(text, name)
    except TomlError:
        lines = text.split("\n")
        if len(lines) > _MAX_LINES:
            raise
        problems: list[ConfigurationError] = []
        for number, line in enumerate(lines):
            try:
                TomlFile("\n" * number + line, name)
            except TomlError as error:
                problems += error.problems
        if not problems:  # a key that is there twice
            raise
        raise TomlError(problems) from None


def _has_settings(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.split("\n"))


def _forget(file: Path) -> None:
    """Overwrite a file's own blocks, then remove it; what FAT leaves of a removed file can be read."""
    with file.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        stream.write(b"\n" * size)
        stream.flush()
        os.fsync(stream.fileno())
    file.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
