"""What the program answers to likely mistakes: one line with where, what and how to fix it, and the exit code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from logger.cli.main import VERBS
from tests.logger.cli.forking import Runner, runner
from tests.logger.cli.mistakes import Mistake, mistakes
from tests.logger.cli.scene import scene
from tests.logger.command_line import Ended, stagelog

MISTAKES = mistakes()
FOUND_WRONG = 1
MIN_MISTAKES = 70
"""The number that the first trial of the command line made."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene(tmp_path_factory.mktemp("mistakes"))


@pytest.fixture(scope="module")
def program() -> Iterator[Runner]:
    with runner() as started:
        yield started


def answer(ended: Ended, folder: Path, code: int) -> str:
    """The line of an error; for a verb that lists what is wrong, its first lines up to the first hint."""
    complaints = [line for line in ended.complaints if not line.startswith("configuration: ")]
    lines = [line.replace(str(folder), "FOLDER") for line in complaints]
    if code == FOUND_WRONG and not lines:
        listed = [line.strip() for line in ended.out.splitlines()]
        hint = next(at for at, line in enumerate(listed) if ";" in line)
        return " ".join(listed[: hint + 1])
    assert len(lines) == 1, ended
    return lines[0]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.typed for mistake in MISTAKES])
def test_the_answer(mistake: Mistake, folder: Path, program: Runner) -> None:
    ended = program.run(shlex.split(mistake.typed), folder, unprivileged=mistake.is_unprivileged)
    assert answer(ended, folder, mistake.code) == mistake.line
    assert ended.code == mistake.code


def test_every_row_is_one_line_that_says_how_to_fix_it() -> None:
    assert len({mistake.typed for mistake in MISTAKES}) == len(MISTAKES) >= MIN_MISTAKES
    for mistake in MISTAKES:
        assert mistake.line.isprintable(), mistake
        assert "\\t" not in mistake.line
        assert "\\n" not in mistake.line
        assert "Errno" not in mistake.line
        assert re.search(r"[;?]", mistake.line), f"{mistake}: no hint"


def test_every_verb_is_in_the_table() -> None:
    assert {
        verb for verb in VERBS if not any(mistake.typed.split()[0] == verb for mistake in MISTAKES)
    } == set()


@pytest.mark.parametrize("mistake", MISTAKES[:: len(MISTAKES) // 4], ids=lambda mistake: mistake.typed)
def test_a_new_process_answers_the_same(mistake: Mistake, folder: Path) -> None:
    """The rows above run in forked children, which could share what a new process has not."""
    ended = stagelog(*shlex.split(mistake.typed), folder=folder)
    assert answer(ended, folder, mistake.code) == mistake.line
    assert ended.code == mistake.code
