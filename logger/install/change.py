"""Compute the changes that an installation or uninstallation still has to make, each with its text.

Reads the machine and changes nothing. A dry run prints the changes that these functions return and `apply` carries out
the same ones, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from firmware_bridge.errors import ConfigurationError
from logger.install.accounts import Accounts
from logger.install.plan import CREW_STATE, LOGS, RECORD_FOLDER, Account, File, Folder, Link, Step
from logger.install.record import RECORD, Record, Trace, digest
from logger.install.root import Entry, Root


@dataclass(frozen=True, slots=True)
class Make:
    """Carry out a step at `path`. An edited file that is there is renamed to `keep_as` first."""

    step: Step
    path: str
    text: str
    keep_as: str = ""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Restore what was at `path` before the installation; None: nothing was there."""

    path: str
    was: Entry | None
    text: str
    keep_as: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """Remove the content of a folder."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class RemoveAccount:
    """Remove a user or a group that the installation created."""

    kind: Literal["user", "group"]
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the record of the installation: everything is restored."""

    text: str


@dataclass(frozen=True, slots=True)
class Stays:
    """A path or account that stays; shown only."""

    text: str


Change = Make | GiveBack | Empty | RemoveAccount | Forget | Stays


def to_install(steps: Iterable[Step], root: Root, record: Record) -> list[Change]:
    """The differences between the plan and the machine. Raises ConfigurationError if something blocks a path."""
    accounts = Accounts(root)
    changes: list[Change] = []
    planned: set[str] = set()
    for step in steps:
        if isinstance(step, Account):
            if not accounts.user_exists(step.name, step.group):
                text = f"create system user {step.name} in group {step.group}"
                changes.append(Make(step, "", text))
            continue
        path = root.real(step.path) if isinstance(step, Folder) else step.path
        planned.add(path)
        changes += _step_changes(step, path, root, record, accounts)
    orphans = [path for path in record.paths if path not in planned]
    return changes + [
        change for path in reversed(orphans) for change in _back(path, root, record.paths[path])
    ]


def to_uninstall(root: Root, record: Record, *, configuration: bool, logs: bool) -> list[Change]:
    """The changes that restore the machine; configuration and logs are removed only if requested.

    Files that stay belong to stagelog's users, so the users stay too, and the record, to finish the work later.
    """
    changes: list[Change] = []
    late: list[Change] = []
    stays: list[str] = []
    grown = {root.real(LOGS): "ALL LOGS", root.real(CREW_STATE): "the records of downloads"}
    record_folder = PurePosixPath(root.real(RECORD_FOLDER))
    for path, trace in reversed(record.paths.items()):
        if path in grown and root.names_in(path):
            if logs:
                changes.append(Empty(path, f"remove {grown[path]} in {path}"))
            else:
                stays.append(path)
        if trace.kept and trace.was is None and not configuration and root.look(path) is not None:
            stays.append(path)
        else:
            (late if record_folder.is_relative_to(path) else changes).extend(_back(path, root, trace))
    if stays:
        staying = [*stays, *(f"user {user}" for user in record.users), RECORD]
        return changes + [Stays(f"{what} stays") for what in staying]
    changes += [RemoveAccount("user", user, f"remove user {user}") for user in reversed(record.users)]
    changes += [RemoveAccount("group", group, f"remove group {group}") for group in record.groups]
    return [*changes, Forget(f"remove {RECORD}"), *late]


def _step_changes(
    step: Folder | File | Link, path: str, root: Root, record: Record, accounts: Accounts
) -> Iterator[Make]:
    entry = root.look(path)
    if entry is not None:
        if (entry.kind == "folder") != isinstance(step, Folder) or entry.kind == "other":
            raise ConfigurationError("blocks the installation", where=path, hint="move it away")
        if _is_as_planned(step, entry, accounts):
            return
    owned = "" if isinstance(step, Link) else f" ({step.mode:04o} {step.owner}:{step.group})"
    if isinstance(step, Folder):
        yield Make(step, path, f"{'create' if entry is None else 'change'} folder {path}{owned}")
        return
    detail = f" -> {step.target}" if isinstance(step, Link) else owned
    if isinstance(step, File) and step.keep and entry is not None and entry.kind == "file":
        yield Make(step, path, f"change the permissions of {path}{owned}; its content stays")
        return
    trace = record.paths.get(path)
    if entry is None:
        yield Make(step, path, f"write {path}{detail}")
    elif trace is None:
        yield Make(step, path, f"replace {path}{detail}; uninstall restores the present one")
    elif digest(entry) in (trace.ours, digest(trace.was)):
        yield Make(step, path, f"update {path}{detail}")
    else:
        keep_as = edited_name(path, root)
        text = f"update {path}{detail}; the edited file is kept as {keep_as}"
        yield Make(step, path, text, keep_as)


def _is_as_planned(step: Folder | File | Link, entry: Entry, accounts: Accounts) -> bool:
    if isinstance(step, Link):
        return entry.kind == "link" and entry.target == step.target
    owned = (step.mode, accounts.uid(step.owner), accounts.gid(step.group))
    if isinstance(step, Folder):
        return not step.ours or owned == (entry.mode, entry.uid, entry.gid)
    if step.keep and entry.kind == "link":
        return True  # the owner keeps the configuration elsewhere on purpose
    same = entry.kind == "file" and (step.keep or entry.content == step.content)
    return same and owned == (entry.mode, entry.uid, entry.gid)


def _back(path: str, root: Root, trace: Trace) -> Iterator[GiveBack]:
    """The change that restores one path; none if it is already restored."""
    now, was = root.look(path), trace.was
    if now == was:
        return
    if was is not None and (trace.kept or was.kind == "folder"):
        if now is not None and now.kind == was.kind and replace(now, content=b"") != was:
            yield GiveBack(path, was, f"restore owner and mode of {path}")
    elif now is not None and now.kind == "folder":
        yield GiveBack(path, None, f"remove folder {path} if it is empty")
    else:
        edited = now is not None and not trace.kept and digest(now) != trace.ours
        keep_as = edited_name(path, root) if edited else ""
        text = f"{'remove' if was is None else 'restore'} {path}"
        yield GiveBack(
            path, was, f"{text}; the edited file is kept as {keep_as}" if edited else text, keep_as
        )


def edited_name(path: str, root: Root) -> str:
    """A free name for an edited file, with a suffix that no program reads."""
    name = PurePosixPath(path).name
    taken = root.names_in(root.real(str(PurePosixPath(path).parent)))
    number = next(n for n in range(1, len(taken) + 2) if f"{name}.edited-{n}" not in taken)
    return f"{name}.edited-{number}"
