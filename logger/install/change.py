"""What an installation, or its removal, still has to do, each change with the words for it.

Looks at the machine and touches nothing. A dry run prints what these functions return; apply carries out what they
return; so the two are the same.
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
    """Carry out a step at `path`. What is there and was edited by somebody is kept under the name `aside`."""

    step: Step
    path: str
    words: str
    aside: str = ""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Put back what was at `path` before us; None: nothing was."""

    path: str
    was: Entry | None
    words: str
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """Remove all that is in a folder."""

    path: str
    words: str


@dataclass(frozen=True, slots=True)
class RemoveAccount:
    """Remove a user or a group that we made."""

    kind: Literal["user", "group"]
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the record of the installation: all is given back."""

    words: str


@dataclass(frozen=True, slots=True)
class Stays:
    """Nothing is done, and that is worth saying."""

    words: str


Change = Make | GiveBack | Empty | RemoveAccount | Forget | Stays


def to_install(steps: Iterable[Step], root: Root, record: Record) -> list[Change]:
    """What differs between the plan and the machine. Raises ConfigurationError where something is in the way."""
    accounts = Accounts(root)
    changes: list[Change] = []
    planned: set[str] = set()
    for step in steps:
        if isinstance(step, Account):
            if not accounts.user_exists(step.name, step.group):
                words = f"make system user {step.name} in group {step.group}"
                changes.append(Make(step, "", words))
            continue
        path = root.real(step.path) if isinstance(step, Folder) else step.path
        planned.add(path)
        changes += _step_changes(step, path, root, record, accounts)
    orphans = [path for path in record.paths if path not in planned]
    return changes + [
        change for path in reversed(orphans) for change in _back(path, root, record.paths[path])
    ]


def to_uninstall(root: Root, record: Record, *, configuration: bool, logs: bool) -> list[Change]:
    """What gives the machine back; the configuration and the logs go only if asked.

    What stays still belongs to users of ours: they stay with it, and so does the record, to finish the work with.
    """
    changes: list[Change] = []
    late: list[Change] = []
    stays: list[str] = []
    grown = {root.real(LOGS): "ALL LOGS", root.real(CREW_STATE): "what is known of downloads"}
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
            raise ConfigurationError("is in the way of the installation", where=path, hint="move it away")
        if _is_as_wanted(step, entry, accounts):
            return
    owned = "" if isinstance(step, Link) else f" ({step.mode:04o} {step.owner}:{step.group})"
    if isinstance(step, Folder):
        yield Make(step, path, f"{'make' if entry is None else 'change'} folder {path}{owned}")
        return
    leads = f" -> {step.target}" if isinstance(step, Link) else owned
    if isinstance(step, File) and step.keep and entry is not None and entry.kind == "file":
        yield Make(step, path, f"change who may read {path}{owned}; its content stays")
        return
    trace = record.paths.get(path)
    if entry is None:
        yield Make(step, path, f"write {path}{leads}")
    elif trace is None:
        yield Make(step, path, f"replace {path}{leads}; uninstall gives the present one back")
    elif digest(entry) in (trace.ours, digest(trace.was)):
        yield Make(step, path, f"renew {path}{leads}")
    else:
        aside = _aside(path, root)
        yield Make(step, path, f"renew {path}{leads}; it was edited, and is kept as {aside}", aside)


def _is_as_wanted(step: Folder | File | Link, entry: Entry, accounts: Accounts) -> bool:
    if isinstance(step, Link):
        return entry.kind == "link" and entry.target == step.target
    owned = (step.mode, accounts.uid(step.owner), accounts.gid(step.group))
    if isinstance(step, Folder):
        return not step.ours or owned == (entry.mode, entry.uid, entry.gid)
    if step.keep and entry.kind == "link":
        return True  # somebody keeps the configuration elsewhere, and knows why
    same = entry.kind == "file" and (step.keep or entry.content == step.content)
    return same and owned == (entry.mode, entry.uid, entry.gid)


def _back(path: str, root: Root, trace: Trace) -> Iterator[GiveBack]:
    """How one path is given back; nothing when it already is."""
    now, was = root.look(path), trace.was
    if now == was:
        return
    if was is not None and (trace.kept or was.kind == "folder"):
        if now is not None and now.kind == was.kind and replace(now, content=b"") != was:
            yield GiveBack(path, was, f"change owner and mode of {path} back to what they were")
    elif now is not None and now.kind == "folder":
        yield GiveBack(path, None, f"remove folder {path} if nothing else is in it")
    else:
        edited = now is not None and not trace.kept and digest(now) != trace.ours
        aside = _aside(path, root) if edited else ""
        words = f"{'remove' if was is None else 'restore'} {path}"
        yield GiveBack(
            path, was, f"{words}; it was edited, and is kept as {aside}" if edited else words, aside
        )


def _aside(path: str, root: Root) -> str:
    """A name for an edited file at which no program looks."""
    name = PurePosixPath(path).name
    taken = root.names_in(root.real(str(PurePosixPath(path).parent)))
    number = next(n for n in range(1, len(taken) + 2) if f"{name}.edited-{n}" not in taken)
    return f"{name}.edited-{number}"
