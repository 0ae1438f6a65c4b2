"""The case of `install`: an image of a machine with another program's file in one of the places."""

from __future__ import annotations

from pathlib import Path

from logger.config.configuration import load
from logger.install.accounts import Accounts
from logger.install.plan import CONFIGURATION, Account, File, Folder, Link, installation, shipped
from logger.install.root import Root
from tests.logger.install.conftest import USERS, make_image, require_root

NUMBER = 500
IN_THE_WAY = "/etc/tmpfiles.d/stagelog.conf"
OLD = b"# of another program\n"
ARGUMENTS = ("install", "--root", "out", "--yes", "--number", str(NUMBER), "--with", "journald")
UNFOLLOWED = r"(passwd|group|shadow|gshadow)(-|\.\d+|\+)|\.pwd\.lock"
"""Files that useradd leaves, also when it succeeds."""


def prepare(folder: Path) -> None:
    """Create the image, in which other programs already have some of the folders and one file."""
    require_root()
    make_image(folder / "out")
    path = folder / "out" / IN_THE_WAY.lstrip("/")
    path.parent.mkdir(mode=0o755)
    path.write_bytes(OLD)


def check(folder: Path) -> None:
    """Check that each path is unchanged, or has the planned content, owner and mode."""
    root = Root(folder / "out")
    for name, text in USERS.items():
        content = (folder / "out" / "etc" / name).read_text()
        assert content.startswith(text), content
        assert content.endswith("\n"), content
    for step in installation(
        shipped(), program="/opt/stagelog/bin/stagelog", configuration=b"", options=["journald"]
    ):
        if not isinstance(step, Account):
            _check_step(step, root)


def _check_step(step: Folder | File | Link, root: Root) -> None:
    entry = root.look(step.path)
    if entry is None or (step.path == IN_THE_WAY and entry.content == OLD):
        assert step.path != IN_THE_WAY or entry is not None
        return
    if isinstance(step, Link):
        assert entry.target == step.target, step.path
        return
    accounts = Accounts(root)
    owned = (step.mode, accounts.uid(step.owner), accounts.gid(step.group))
    assert (entry.mode, entry.uid, entry.gid) == owned, step.path
    if step.path == CONFIGURATION:
        assert load(root.directory / step.path.lstrip("/")).car.number == NUMBER
    elif isinstance(step, File):
        assert entry.content == step.content, step.path
