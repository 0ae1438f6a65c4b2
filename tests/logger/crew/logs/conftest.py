"""A folder with a closed log, an open one and private files, and a server process for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logger.crew.logs.log_requests import ASIDE, CLOSED, LIVE
from tests.logger.crew.serving import Served, serving
from tests.logger.transfer.logs_made import being_recorded, closed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a closed log, an open one, and files that must stay private."""
    folder = tmp_path_factory.mktemp("logs")
    logs = folder / "logs"
    closed(logs / CLOSED)
    (folder / "secret.db").write_bytes(b"secret")
    (logs / "link.db").symlink_to(folder / "secret.db")
    (logs / "itself.db").symlink_to(CLOSED)
    (logs / "folder.db").mkdir()
    (logs / ".hidden.db").write_bytes(b"secret")
    (logs / ASIDE).write_bytes(b"what is left of it")
    (logs / f"{ASIDE}-wal").write_bytes(b"its newest rows")
    (logs / f"{ASIDE}-shm").write_bytes(b"secret")
    (logs / "notes.txt").write_text("secret")
    os.mkfifo(logs / "pipe.db")
    (logs / os.fsdecode(b"\xff\xfe.db")).write_bytes(b"secret")
    (logs / "garbage.db").write_bytes(b"no log at all" * 100)
    (logs / 'Étape 3 "a".db').write_bytes((logs / CLOSED).read_bytes())
    with being_recorded(logs / LIVE):
        yield folder


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Served]:
    with serving(place, place / "live.sock") as server:
        yield server
