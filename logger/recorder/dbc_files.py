"""Load the DBC files of a configuration for the recorder, and leave out what cannot be read.

A missing or unreadable file is left out whole, a bad line alone. Each is a problem for `check` and `doctor` and a
notice in the log; frames are recorded in any case.
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

_HINT = "correct the line or export the file again; the rest of the file is decoded"


@dataclass(slots=True)
class DbcFiles:
    """The decoders of a configuration's DBC files, and what is wrong with the files."""

    decoders: list[EngineDecoder] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """Text of each decoded file by file name, for the log."""
    notices: list[Notice] = field(default_factory=list)
    problems: list[ConfigurationError] = field(default_factory=list)
    _paths: dict[str, Path] = field(default_factory=dict)
    """Path of each decoded file by file name."""

    @property
    def left_out(self) -> int:
        """Number of files and lines that are left out."""
        return sum(notice.kind == "dbc_left_out" for notice in self.notices)

    def read(self, config: Config, index: int, number: int) -> None:
        """Load file `number` of [[can]] table `index`."""
        path = config.can[index].dbc[number]
        from firmware_bridge.engine import dbc  # noqa: PLC0415 - only for a DBC file

        try:
            if (other := self._paths.get(path.name)) is not None:
                if path.resolve() == other.resolve():  # two adapters on similar buses: one decoder serves all
                    return
                hint = "rename one: the log keeps each DBC under its file name"
                what = f"{other} has this file name too"
                raise config.places.fault(("can", index, "dbc", number), what, hint)  # noqa: TRY301 - as unreadable
            with named_at(config, "can", index, "dbc", number):
                (text,) = read_dbcs([path]).values()
            decoder = dbc.load(text, path.name)
        except ConfigurationError as error:
            self._left_out(path, error)
        except Exception as error:  # noqa: BLE001 - no file may stop the recorder
            what = f"not a readable DBC: {type(error).__name__}"
            self._left_out(
                path, ConfigurationError(what, where=str(path), hint="take it out of the configuration")
            )
        else:
            self.decoders.append(decoder)
            self.texts[path.name], self._paths[path.name] = text, path
            self.notices += decoder.notices
            self.problems += flaws(decoder.notices)

    def _left_out(self, path: Path, error: ConfigurationError) -> None:
        detail = {"file": path.name, "line": None, "what": error.what, "then": "left out, the whole file"}
        self.notices.append(Notice(0, "dbc_left_out", detail))
        self.problems.append(error)


def read_all(config: Config) -> DbcFiles:
    """Every DBC file that a configuration names. Never raises."""
    files = DbcFiles()
    for index, can in enumerate(config.can):
        for number in range(len(can.dbc)):
            files.read(config, index, number)
    return files


def flaws(notices: tuple[Notice, ...]) -> Iterator[ConfigurationError]:
    """The notices of a decoder as problems, each at its line."""
    for notice in notices:
        where = f"{notice.detail['file']}:{notice.detail['line']}"
        yield ConfigurationError(f"{notice.detail['what']}: {notice.detail['then']}", where=where, hint=_HINT)


@contextmanager
def named_at(config: Config, *key: str | int) -> Iterator[None]:
    """Report an unreadable file at the key that names it; errors inside the file keep their own line."""
    try:
        yield
    except UnreadableError as error:
        raise config.places.fault(key, f"{error.where}: {error.what}", error.hint) from error
