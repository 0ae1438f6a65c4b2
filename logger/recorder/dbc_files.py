"""The DBC files of a configuration, for the recorder: whatever is wrong with one costs at most what it says.

A file that is missing, unreadable or no DBC is left out whole, and a line that cannot be read alone. Each is a problem
for `check` and `doctor`, and a notice for the log; the frames are recorded in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.engine.readings import EngineDecoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import Notice
from logger.config.configuration import Config
from logger.config.input_files import UnreadableError, read_dbcs

_MEND = "correct the line or export the file again; everything else in it is decoded"


@dataclass(slots=True)
class DbcFiles:
    """What the DBC files of a configuration come to."""

    decoders: list[EngineDecoder] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """The texts that are decoded by, for the log, by file name."""
    notices: list[Notice] = field(default_factory=list)
    problems: list[ConfigurationError] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """Files and lines that are not decoded by."""
        return sum(notice.kind == "dbc_left_out" for notice in self.notices)

    def read(self, config: Config, index: int, number: int) -> None:
        """Take up one of the files of a [[can]] table."""
        path = config.can[index].dbc[number]
        if path.name in self.texts:  # two adapters on buses of one kind: one decoder serves all buses
            return
        from firmware_bridge.engine import dbc  # noqa: PLC0415 - cantools takes a tenth of a second to import

        try:
            with named_at(config, "can", index, "dbc", number):
                (text,) = read_dbcs([path]).values()
            decoder = dbc.load(text, path.name)
        except ConfigurationError as error:
            self._left_out(path, error)
        except Exception as error:  # noqa: BLE001 - no file, however strange, keeps the recorder from recording
            what = f"no readable DBC: {type(error).__name__}"
            self._left_out(
                path, ConfigurationError(what, where=str(path), hint="take it out of the configuration")
            )
        else:
            self.decoders.append(decoder)
            self.texts[path.name] = text
            self.notices += decoder.notices
            self.problems += flaws(decoder.notices)

    def _left_out(self, path: Path, error: ConfigurationError) -> None:
        detail = {"file": path.name, "line": None, "what": error.what, "then": "left out, the whole file"}
        self.notices.append(Notice(0, "dbc_left_out", detail))
        self.problems.append(error)


def read_all(config: Config) -> DbcFiles:
    """Every DBC file that a configuration names. Raises nothing for any of them."""
    files = DbcFiles()
    for index, can in enumerate(config.can):
        for number in range(len(can.dbc)):
            files.read(config, index, number)
    return files


def flaws(notices: tuple[Notice, ...]) -> Iterator[ConfigurationError]:
    """What a decoder says of its file, as problems at their lines."""
    for notice in notices:
        where = f"{notice.detail['file']}:{notice.detail['line']}"
        yield ConfigurationError(f"{notice.detail['what']}: {notice.detail['then']}", where=where, hint=_MEND)


@contextmanager
def named_at(config: Config, *key: str | int) -> Iterator[None]:
    """A file that cannot be read is reported at the key that names it; what is wrong inside stays at its own line."""
    try:
        yield
    except UnreadableError as error:
        raise config.places.fault(key, f"{error.where}: {error.what}", error.hint) from error
