"""The folders that a hostile log is tried in."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.hostile.honest import NAME
from tests.logger.crew.serving import Served
from tests.logger.review.drives import ITINERARY

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
    """Where everything of one log lies; `served` is the crew server that has `logs`.

    `never_whole`: `verify` must not call it whole.
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
        """A log of another car that is as it should be, in the same folder."""
        return self.logs / "honest.db"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def stick(self) -> Path:
        """On another disk."""
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
        """Everything but the log, in an empty folder."""
        self.clear()
        for folder in (self.logs, self.out, self.recorded.parent, self.folder / "tmp", self.stick):
            folder.mkdir(parents=True)
        shutil.copyfile(honest, self.honest)
        itinerary = self.folder / "short.toml"
        itinerary.write_text(ITINERARY)
        for path, logs in ((self.config, self.logs), (self.recorder_config, self.recorded.parent)):
            path.write_text(_CONFIG.format(logs=logs, folder=self.folder, itinerary=itinerary))

    def copy_for_recorder(self) -> None:
        """The log and what lies beside it, copied."""
        for path in self.logs.iterdir():
            if path.name.startswith(NAME):
                target = self.recorded.with_name(path.name)
                if path.is_symlink() or path.is_file():
                    shutil.copy(path, target, follow_symlinks=False)

    def clear(self) -> None:
        """Remove all."""
        for folder in (self.folder, self.stick):
            shutil.rmtree(folder, ignore_errors=True)


def other_disk() -> Path:
    """A folder on another file system than the temporary one, in memory; the temporary one where there is none."""
    memory = Path("/dev/shm")  # noqa: S108 - what `stick` writes to has to be another file system
    return Path(tempfile.mkdtemp(prefix="stagelog-hostile-", dir=memory if memory.is_dir() else None))
