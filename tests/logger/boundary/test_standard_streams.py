"""Verbs with closed standard streams: one line and exit code 74 if there is output to print, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.logger.export.logs_made import make

TOP = Path(__file__).parents[3]


def ended(closed: str, *arguments: object) -> tuple[int, str]:
    """Exit code and standard error of a verb that a shell starts with closed streams."""
    command = [sys.executable, "-m", "logger", *map(str, arguments)]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        stderr=subprocess.PIPE,
        cwd=TOP,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("closed") / "a.db")


PRINTING = [
    ["--version"],
    ["info", "LOG"],
    ["verify", "LOG"],
    ["logs", "FOLDER"],
    ["review", "LOG", "--json"],
    ["export", "LOG", "--format", "csv"],
]


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_output_that_cannot_be_printed_is_one_line(arguments: list[str], closed: str, log: Path) -> None:
    names: dict[str, Path] = {"LOG": log, "FOLDER": log.parent}
    before = log.read_bytes()
    code, err = ended(closed, *(names.get(word, word) for word in arguments))
    assert code == 74, err
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("stagelog: "), err
    assert log.read_bytes() == before


def test_a_verb_that_prints_nothing_succeeds(log: Path, tmp_path: Path) -> None:
    code, err = ended(">&-", "export", log, "--format", "gpx", "-o", tmp_path / "a.gpx")
    assert (code, err.count("\n"), "a.gpx: " in err) == (0, 1, True)
    assert (tmp_path / "a.gpx").read_text().endswith("</gpx>\n")


def test_a_closed_standard_error_changes_no_exit_code(log: Path, tmp_path: Path) -> None:
    assert ended("2>&-", "verify", log) == (0, "")
    assert ended(">&- 2>&-", "verify", log) == (74, "")
    assert ended("2>&-", "info", tmp_path / "none.db") == (74, "")
    assert ended("2>&- <&-", "info") == (2, "")
