"""An image to install into: the few files of a machine that the installer reads, and files of others."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from logger.install import verbs

USERS = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "group": "root:x:0:\ndialout:x:20:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\ndialout:*::\n",
}
PIN = "4711-secret"

Tree = dict[str, tuple[Any, ...]]


def require_root() -> None:
    """Skip without the right to change owners; in CI that is an error of the CI."""
    missing = "only root changes owners" if os.geteuid() != 0 else ""
    missing = missing or ("no useradd here" if shutil.which("useradd") is None else "")
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must be able to install: {missing}")
    if missing:
        pytest.skip(missing)


def make_image(root: Path) -> Path:
    """The root of a machine with users, an empty udev folder, and no stagelog."""
    for folder in ("etc/udev/rules.d", "usr/local/bin", "usr/local/lib", "var/lib", "opt"):
        (root / folder).mkdir(parents=True)
    for name, text in USERS.items():
        (root / "etc" / name).write_text(text)
    return root


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A machine without stagelog."""
    require_root()
    return make_image(tmp_path / "image")


Call = Callable[..., list[str]]


@pytest.fixture
def call(image: Path) -> Call:
    """Run a verb on the image; return the lines of its standard output. Fails unless it succeeds."""

    def run(verb: str, *arguments: str, stdin: str = PIN + "\n") -> list[str]:
        command = {"install": verbs.install, "uninstall": verbs.uninstall}[verb]
        result = CliRunner().invoke(
            command, ["--root", str(image), *arguments], input=stdin, catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return run


def tree(root: Path) -> Tree:
    """Everything below a folder: kind, mode, owner and content, without the backups of useradd."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        owned = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        content: bytes | str = b""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        name = str(path.relative_to(root))
        if name not in {f"etc/{database}-" for database in USERS} | {"etc/.pwd.lock"}:
            found[name] = (*owned, content)
    return found
