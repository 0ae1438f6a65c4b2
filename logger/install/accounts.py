"""Look up, create and remove system users and groups of the target machine.

Debian's own tools create and remove them; their `--prefix` works on the user database of an image. They follow links,
so an image whose user database is not made of regular files in its own /etc is refused.
"""

from __future__ import annotations

import subprocess

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.install.root import Root

_DATABASE = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")


class Accounts:
    """The present users and groups by name."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def uid(self, user: str) -> int | None:
        """A user's number, or None."""
        return 0 if user == "root" else self._number("/etc/passwd", user)

    def gid(self, group: str) -> int | None:
        """A group's number, or None."""
        return 0 if group == "root" else self._number("/etc/group", group)

    def user_exists(self, user: str, group: str) -> bool:
        """Whether both exist. Raises ConfigurationError if the user is in another group: it is not stagelog's."""
        uid, gid = self.uid(user), self.gid(group)
        if uid is not None and self._number("/etc/passwd", user, column=3) != gid:
            make_group = f"sudo groupadd --system {group} && " if gid is None else ""
            hint = f"remove that user, or give it this group: {make_group}sudo usermod -g {group} {user}"
            raise ConfigurationError(f"exists, but not in group {group}", where=f"user {user}", hint=hint)
        return uid is not None

    def add(self, user: str, group: str) -> None:
        """Create a system user, and its group if it is missing. Raises StagelogError."""
        self._refuse_links()
        if self.gid(group) is None:
            self._run("groupadd", "--system", group)
        no_home = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
        self._run("useradd", "--system", "--gid", group, *no_home, user)

    def remove_user(self, user: str) -> None:
        """Remove a user if it exists. Raises StagelogError."""
        if self.uid(user) is not None:
            self._refuse_links()
            self._run("userdel", user)

    def remove_group(self, group: str) -> None:
        """Remove a group if it exists. Raises StagelogError."""
        if self.gid(group) is not None:
            self._refuse_links()
            self._run("groupdel", group)

    def _number(self, path: str, name: str, column: int = 2) -> int | None:
        entry = self._root.look(path)
        if entry is None:
            return None
        for line in entry.content.decode(errors="replace").splitlines():
            fields = line.split(":")
            if fields[0] == name and len(fields) > column and fields[column].isdigit():
                return int(fields[column])
        return None

    def _refuse_links(self) -> None:
        if self._root.is_this_machine:
            return
        for path in _DATABASE:
            entry = self._root.look(path)
            if self._root.real(path) != path or (entry is not None and entry.kind != "file"):
                hint = "create the users with the image's own tools first"
                raise ConfigurationError("is not a regular file of the image", where=path, hint=hint)

    def _run(self, tool: str, *arguments: str) -> None:
        prefix = () if self._root.is_this_machine else ("--prefix", str(self._root.directory.resolve()))
        try:
            done = subprocess.run(  # noqa: S603 - names from the plan
                (tool, *prefix, *arguments), capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            hint = "install Debian's package passwd"
            raise StagelogError("not found; it is needed to create users", where=tool, hint=hint) from error
        if done.returncode != 0:
            by = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
            what = " ".join(done.stderr.split()) or f"the process ended with {by}"
            hint = "fix that, or free some disk space, and run the same command again"
            raise StagelogError(what, where=tool, hint=hint)
