"""Adding logs in a process that is killed: the store stays readable, a second run completes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.fleet.stores import ALL, KILLED, assert_consistent, files, killing


class KilledError(Exception):
    """Simulates a kill."""


def test_a_second_run_completes_a_stopped_one(pair: list[Path], tmp_path: Path) -> None:
    def stop() -> None:
        raise KilledError

    sound = Store(str(tmp_path / "sound"))
    Adder(sound).add(pair[0])
    expected = {Path(name).relative_to(sound.root): what[1] for name, what in files(sound).items()}
    placed = len(expected)
    assert placed == len(ALL) + 1
    for after in range(2 * placed):
        store = killing(after, stop)(str(tmp_path / f"{after}"))
        with pytest.raises(KilledError):
            Adder(store).add(pair[0])
        assert_consistent(store)
        assert len(files(store)) == (after + 1) // 2
        again = Store(store.url)
        Adder(again).add(pair[0])
        assert_consistent(again)
        assert {
            Path(name).relative_to(again.root): what[1] for name, what in files(again).items()
        } == expected


@pytest.mark.parametrize("after", [5, 22])
def test_a_killed_run_leaves_a_readable_store_and_a_second_run_completes_it(
    pair: list[Path], tmp_path: Path, after: int
) -> None:
    arguments = [sys.executable, "-c", KILLED, str(after), str(tmp_path / "store"), *map(str, pair)]
    died = subprocess.run(arguments, env=ENVIRONMENT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    store = Store(str(tmp_path / "store"))
    assert_consistent(store)
    assert len(entries(store)) == (0 if after < 18 else 1)
    ended = stagelog("fleet", "add", *pair, "--store", store.url, folder=tmp_path)
    assert ended.code == 0
    assert_consistent(store)
    assert [entry.car for entry in entries(store)] == [71, 72]
