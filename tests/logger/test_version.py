"""One version for a build, a checkout that has moved on since, and an archive; the same wherever it is shown."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import logger
from logger import version as versions
from tests.logger.command_line import stagelog

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "180f1ce4b0c3de3a2a8e3a9e1b7b2b2b5f1f0a9c"
OTHER = "0123456789abcdef0123456789abcdef01234567"
PRINT = "import logger; print(logger.__version__)"


def git(*arguments: str | Path, folder: Path) -> str:
    """The output of git, without the user's own settings."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@example.org"}
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def version_at(root: Path) -> str:
    """The version reported by the code under `root`, in a separate process."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PRINT],
        cwd=root.parent,
        env=os.environ | {"PYTHONPATH": str(root)},  # with PYTHONSAFEPATH the current folder is not searched
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with copies of the modules that `import logger` loads."""
    folder = tmp_path / "repository"
    for package in ("logger", "firmware_bridge"):
        (folder / package).mkdir(parents=True)
    bridge = ("firmware_bridge/__init__.py", "firmware_bridge/errors.py")
    for name in ("logger/__init__.py", "logger/version.py", *bridge, ".gitattributes"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    git("init", "-q", "-b", "main", ".", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "-q", "-m", "first", folder=folder)
    return folder


def head(folder: Path) -> str:
    return git("rev-parse", "HEAD", folder=folder)


@pytest.mark.parametrize(
    ("built", "commit", "shown"),
    [
        ("0.2.0.dev467+g180f1ce4b", COMMIT, "0.2.0.dev467+g180f1ce4b"),
        ("0.2.0.dev467+g180f1ce", COMMIT, "0.2.0.dev467+g180f1ce"),
        ("0.2.0.dev467+g180f1ce4b.d20261129", COMMIT, "0.2.0.dev467+g180f1ce4b.d20261129"),
        ("0.2.0.dev467+g180f1ce4b", OTHER, "0.2.0.dev467+g012345678"),
        ("0.2.0.dev467+g180f1ce4b", "", "0.2.0.dev467+g180f1ce4b"),
        ("0.2.0", "", "0.2.0"),
        ("0.2.0", COMMIT, "0.2.0+g180f1ce4b"),
        ("0.2.0.dev0", COMMIT, "0.2.0.dev0+g180f1ce4b"),
        ("0.2.0+g", COMMIT, "0.2.0+g180f1ce4b"),
        ("0.2.0+local", COMMIT, "0.2.0+g180f1ce4b"),
    ],
)
def test_the_commit_is_that_of_the_code(built: str, commit: str, shown: str) -> None:
    assert versions._with_commit(built, commit) == shown


def test_a_checkout_names_its_commit_and_the_next_one_after_it(repository: Path) -> None:
    assert version_at(repository) == f"{versions.UNBUILT}+g{head(repository)[:9]}"
    first = head(repository)
    (repository / "logger/_version.py").write_text(f'VERSION = "0.2.0.dev1+g{first[:9]}"\n')
    assert version_at(repository) == f"0.2.0.dev1+g{first[:9]}"
    git("commit", "-q", "--allow-empty", "-m", "second", folder=repository)
    assert head(repository) != first
    assert version_at(repository) == f"0.2.0.dev1+g{head(repository)[:9]}"


def test_every_form_of_a_checkout_is_read(repository: Path, tmp_path: Path) -> None:
    expected = f"{versions.UNBUILT}+g{head(repository)[:9]}"
    git("worktree", "add", "-q", "-b", "side", tmp_path / "side", folder=repository)
    assert version_at(tmp_path / "side") == expected
    git("pack-refs", "--all", folder=repository)
    assert not (repository / ".git/refs/heads/main").exists()
    assert [version_at(repository), version_at(tmp_path / "side")] == [expected, expected]
    git("checkout", "-q", "--detach", folder=repository)
    assert version_at(repository) == expected
    git("clone", "-q", "--depth=1", f"file://{repository}", tmp_path / "shallow", folder=tmp_path)
    assert version_at(tmp_path / "shallow") == expected


def test_an_archive_names_its_commit(repository: Path, tmp_path: Path) -> None:
    git("archive", "-o", tmp_path / "archive.tar", "HEAD", folder=repository)
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    assert version_at(tmp_path / "archive") == f"{versions.UNBUILT}+g{head(repository)[:9]}"


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff\xfe",
        b"ref: refs/heads/none\n",
        b"ref: \n",
        b"ref: /etc/passwd\n",
        b"ref: refs/heads\n",
        b"ref: a\0b\n",
        b"0123\n",
        b"z" * 40,
    ],
)
def test_a_damaged_repository_takes_nothing_but_the_commit(repository: Path, damaged: bytes) -> None:
    (repository / ".git/HEAD").write_bytes(damaged)
    assert version_at(repository) == versions.UNBUILT
    (repository / ".git").rename(repository / "git")
    (repository / ".git").write_bytes(damaged)
    assert version_at(repository) == versions.UNBUILT


def test_without_git_the_version_is_that_of_the_build(repository: Path) -> None:
    (repository / ".git").rename(repository / "git")
    assert version_at(repository) == versions.UNBUILT
    (repository / "logger/_version.py").write_text('VERSION = "0.2.0.dev1+gabc"\n')
    assert version_at(repository) == "0.2.0.dev1+gabc"


def test_it_is_shown_and_written_into_the_log(tmp_path: Path) -> None:
    assert stagelog("--version", folder=tmp_path).out == f"stagelog, version {logger.__version__}\n"
    capture = tmp_path / "gps.nmea"
    capture.write_text("$GPRMC,120000.00,A,4530.0000,N,00710.0000,E,10.0,90.0,010126,,,A*56\r\n")
    done = stagelog("replay", capture, "-o", "logs", folder=tmp_path)
    assert done.code == 0, done.err
    (log,) = (tmp_path / "logs").glob("*.db")
    connection = sqlite3.connect(log)
    (session,) = connection.execute("SELECT software FROM session").fetchone()
    (meta,) = connection.execute("SELECT value FROM meta WHERE key = 'software'").fetchone()
    connection.close()
    assert session == meta == f"stagelog {logger.__version__}"


def test_the_build_counts_from_the_same_version() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools_scm"]["fallback_version"] == versions.UNBUILT
