"""Completions in real shells, and the man page: installed, and removed again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from logger.cli.main import VERBS
from logger.install.for_shells import COMPLETIONS, MAN_PAGE, shell_files
from tests.logger.command_line import ENVIRONMENT, ROOT
from tests.logger.install.conftest import Call
from tests.logger.pseudo_terminal import Terminal

WAIT_S = 100
FILES = {Path(path).name: content for path, content in shell_files().items()}


class Shell(NamedTuple):
    """A folder with the completions and a log, and an environment in which `stagelog` is this checkout's."""

    folder: Path
    environment: dict[str, str]

    def run(self, name: str, *arguments: str) -> str:
        """Run a shell; return its output."""
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        done = subprocess.run(
            [name, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Such a shell."""
    program = tmp_path / "bin/stagelog"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m logger "$@"\n')
    program.chmod(0o755)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "drive-001.db").touch()
    path = f"{program.parent}:{ENVIRONMENT['PATH']}"
    more = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C", "PATH": path}
    return Shell(tmp_path, {**ENVIRONMENT, **more})


BASH = """
source ./stagelog
COMP_WORDS=({words}) COMP_CWORD={last}
_stagelog_completion stagelog
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_bash(shell: Shell) -> None:
    def completed(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in ("stagelog", *words))
        return shell.run("bash", "--norc", "-c", BASH.format(words=typed, last=len(words))).split()

    assert completed("") == [*VERBS, "help"]
    assert completed("de") == ["demo"]
    assert completed("help", "de") == ["demo"]
    assert "--seconds" in completed("demo", "--")
    assert completed("export", "--format", "gp") == ["gpx"]
    assert completed("fleet", "re") == ["review"]


def test_fish(shell: Shell) -> None:
    """Its answers hold a tab before the description."""
    script = 'source stagelog.fish; complete --do-complete "stagelog de"'
    (line,) = shell.run("fish", "--no-config", "-c", script).splitlines()
    assert line == f"demo\t{VERBS['demo'].summary}"
    script = 'source stagelog.fish; complete --do-complete "stagelog info dri"'
    assert shell.run("fish", "--no-config", "-c", script).split() == ["drive-001.db"]


@pytest.mark.pty
@pytest.mark.load_sensitive
def test_zsh(shell: Shell, tmp_path: Path) -> None:
    """Only an interactive zsh completes."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    start = "import os; os.execvp('zsh', ['zsh', '-f', '-i'])"
    terminal = Terminal("-c", start, folder=tmp_path, environment=shell.environment | {"TERM": "xterm"})
    terminal.type("PS1='> '; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print REA''DY\n")
    terminal.until("READY")
    terminal.type("stagelog de\t")
    terminal.until("demo")
    terminal.type("--seco\t")
    terminal.until("nds")
    terminal.type("\x15exit\n")
    terminal.wait()


def test_installed_and_removed(call: Call, image: Path) -> None:
    call("install", "--yes")
    for path, content in shell_files().items():
        assert (image / path.lstrip("/")).read_bytes() == content
    assert {*COMPLETIONS, MAN_PAGE} == set(shell_files())
    call("uninstall")
    for path in shell_files():
        assert not (image / path.lstrip("/")).exists()
    assert not (image / "usr/share").exists(), "the folders that were created for them are gone too"
    assert not (image / "usr/local/share").exists()
