"""Read logs from a card that is mounted read-only after a power cut: the newest log needs its WAL.

The folder is a read-only mount in the command's own mount namespace, so root cannot write there either.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from logger.logfile.connect import has_wal
from tests.logger.command_line import ENVIRONMENT, Ended, stagelog
from tests.logger.transfer.logs_made import being_recorded, content

NAME = "stage-1-001.db"
FRAMES = 3000
NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
COPY = """
import sys
from pathlib import Path
from logger.transfer.snapshot import snapshot
print(snapshot(Path(sys.argv[1]), Path(sys.argv[2])).sha256)
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A folder with a log as a power cut leaves it: the last commits are only in its write-ahead log."""
    folder = tmp_path / "card"
    folder.mkdir()
    with being_recorded(tmp_path / "car" / NAME, FRAMES) as log:
        for end in ("", "-wal"):
            shutil.copy(log.path.with_name(NAME + end), folder)
    assert has_wal(folder / NAME)
    return folder


def read_only(card: Path, command: Sequence[str | Path]) -> Ended:
    """Run a command for which the folder is a read-only mount."""
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", MOUNT, str(card), *command],
        cwd=card.parent, env=ENVIRONMENT, capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return Ended(done.returncode, out, err)


@pytest.fixture(autouse=True)
def _mounts(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.mkdir()
    try:
        result = read_only(probe, ["touch", probe / "file"])
    except FileNotFoundError:
        pytest.skip("this machine has no unshare")
    if "Read-only file system" not in result.err:
        pytest.skip(f"nothing can be mounted here: {result.err.strip()}")


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize(
    "arguments",
    [
        ("review", NAME, "--json"), ("info", NAME, "--json"), ("verify", NAME), ("logs", "."),
        ("export", NAME, "--format", "csv"), ("export", NAME, "--format", "candump"),
    ],
)  # fmt: skip
def test_it_reads_the_same_as_on_a_writable_card(
    card: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    before = files(card)
    command = [sys.executable, "-m", "logger", *(card / a if a in {NAME, "."} else a for a in arguments)]
    found = read_only(card, command)
    assert (found.code, files(card)) == (0, before), found.err
    writable = tmp_path / "elsewhere" / "card"
    shutil.copytree(card, writable)
    expected = stagelog(*(writable / a if a in {NAME, "."} else a for a in arguments), folder=writable)
    assert found.out.replace(str(card), str(writable)) == expected.out
    assert found.err.replace(str(card), str(writable)) == expected.err


def test_nothing_of_the_write_ahead_log_is_lost(card: Path, tmp_path: Path) -> None:
    found = read_only(card, [sys.executable, "-m", "logger", "info", card / NAME, "--json"])
    assert json.loads(found.out)["rows"]["frame"] >= FRAMES
    (alone := tmp_path / "alone").mkdir()
    shutil.copy(card / NAME, alone)
    without = stagelog("info", NAME, "--json", folder=alone)
    assert without.code != 0 or json.loads(without.out)["rows"]["frame"] < FRAMES, "it is in the WAL only"


def test_its_copy_is_complete(card: Path, tmp_path: Path) -> None:
    before = files(card)
    copied = read_only(card, [sys.executable, "-c", COPY, card / NAME, tmp_path / "copy.db"])
    assert (copied.code, files(card)) == (0, before), copied.err
    shutil.copytree(card, tmp_path / "elsewhere")
    assert content(tmp_path / "copy.db") == content(tmp_path / "elsewhere" / NAME)


def test_an_empty_write_ahead_log_does_not_matter(card: Path) -> None:
    (card / f"{NAME}-wal").write_bytes(b"")
    closed = stagelog("info", NAME, "--json", folder=card)
    found = read_only(card, [sys.executable, "-m", "logger", "info", card / NAME, "--json"])
    assert (found.code, found.err) == (closed.code, closed.err.replace(NAME, str(card / NAME)))
