"""Read the files that somebody names: a configuration, an itinerary, rules, DBC files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, text_of
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import marked

MOST_BYTES = 1 << 25
"""32 MB: more than any file that somebody wrote for a configuration."""


class UnreadableError(ConfigurationError):
    """A file that is not there, or not ours to read."""


def read_dbcs(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of DBC files, by file name. Raises ConfigurationError."""
    texts = {}
    for path in paths:
        data = read_bytes(path)
        if len(data) > MAX_DBC_BYTES:
            what = f"more than {MAX_DBC_BYTES // 1_000_000} MB, which no DBC file has"
            raise ConfigurationError(
                what, where=str(path), mend="take it out, or keep the messages that are needed"
            )
        texts[marked(path.name)] = text_of(data)  # a name may be no UTF-8, which no log can hold
    return texts


def read_text(path: Path, mend: str = "check its name") -> str:
    """A UTF-8 text file. Raises ConfigurationError, with `mend` where the file cannot be read."""
    data = read_bytes(path, mend)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            "not UTF-8 text", where=f"{path}:{line}", mend="save the file in UTF-8"
        ) from error


def read_bytes(path: Path, mend: str = "check its name") -> bytes:
    """A whole file. Raises ConfigurationError, also for one that does not end."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", where=str(path), mend=mend) from error
    if len(data) > MOST_BYTES:
        what = f"over {MOST_BYTES >> 20} MB"
        raise ConfigurationError(what, where=str(path), mend="name the file that is meant")
    return data
