"""Folders and files for one hostile log: the log, a valid one, outputs, configuration and stick."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.hostile.honest import NAME
from tests.logger.crew.serving import Served
from tests.logger.drives import ITINERARY

_CONFIG = """
[car]
number = 71
class = "Stock"
[log]
directory = "{logs}"
min_free_mb = 0
[gps]
port = "socket://127.0.0.1:9"
[stage]
itinerary = "{itinerary}"
[live]
socket = "{folder}/live.sock"
[serve]
state = "{folder}/state"
"""


@dataclass(slots=True)
class Scene:
    """Paths for one hostile log; `served` is the crew server for `logs`.

    `never_whole`: `verify` must not call the log whole.
    """

    folder: Path
    other_disk: Path
    served: Served
    never_whole: bool = False

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def log(self) -> Path:
        return self.logs / NAME

    @property
    def honest(self) -> Path:
        """A valid log of another car in the same folder."""
        return self.logs / "honest.db"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def stick(self) -> Path:
        """A folder on another disk, as a USB stick."""
        return self.other_disk / self.folder.name

    @property
    def config(self) -> Path:
        return self.folder / "stagelog.toml"

    @property
    def recorder_config(self) -> Path:
        return self.folder / "recorder.toml"

    @property
    def recorded(self) -> Path:
        """A second copy of the log, for the recorder."""
        return self.folder / "recorded" / NAME

    def prepare(self, honest: Path) -> None:
        """Create the folders and everything except the log."""
        self.clear()
        for folder in (self.logs, self.out, self.recorded.parent, self.folder / "tmp", self.stick):
            folder.mkdir(parents=True)
        shutil.copyfile(honest, self.honest)
        # `compare` refuses a copy, and a mutation beside the log leaves the log itself as it was.
        with closing(sqlite3.connect(self.honest)) as connection, connection:
            connection.execute("INSERT INTO meta VALUES ('note', 'another log')")
        itinerary = self.folder / "short.toml"
        itinerary.write_text(ITINERARY)
        for path, logs in ((self.config, self.logs), (self.recorder_config, self.recorded.parent)):
            path.write_text(_CONFIG.format(logs=logs, folder=self.folder, itinerary=itinerary))

    def copy_for_recorder(self) -> None:
        """Copy the log and the files beside it."""
        for path in self.logs.iterdir():
            if path.name.startswith(NAME):
                target = self.recorded.with_name(path.name)
                if path.is_symlink() or path.is_file():
                    shutil.copy(path, target, follow_symlinks=False)

    def clear(self) -> None:
        """Remove all folders."""
        for folder in (self.folder, self.stick):
            shutil.rmtree(folder, ignore_errors=True)


_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, not a file
_ROOM_BYTES = 2_000_000_000
"""Free space for a scene: a large log, its copies and its exports."""


def disks() -> tuple[Path, Path]:
    """A folder for the scene, and one on another file system for the stick.

    The scene is in memory, if there is room, because its verbs wait for the disk some fifty times per log.
    """
    folders = [Path(tempfile.mkdtemp(prefix="stagelog-hostile-"))]
    if _MEMORY.is_dir():
        folders.append(Path(tempfile.mkdtemp(prefix="stagelog-hostile-", dir=_MEMORY)))
        if shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
            folders.reverse()
    return folders[0], folders[-1]
