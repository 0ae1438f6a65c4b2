"""Carry out changes on the target machine, after recording what they replace.

An interrupted installation continues with the same call: each change is atomic, a completed change is not repeated,
and the record holds what was there before.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from firmware_bridge.errors import StagelogError
from logger.install.accounts import Accounts
from logger.install.change import Change, Empty, Forget, GiveBack, Make, RemoveAccount
from logger.install.plan import Account, File, Folder, Step
from logger.install.record import RECORD, Record, Trace, digest
from logger.install.root import Entry, Root


def carry_out(changes: Sequence[Change], root: Root, record: Record, show: Callable[[str], None]) -> None:
    """Carry out the changes; `show` each before it is made. Raises StagelogError or OSError, keeping those made."""
    for change in changes:
        if isinstance(change, Make):
            _remember(change, root, record)
    saved = False
    for change in changes:
        saved = saved or record.save(root)
        show(change.text)
        match change:
            case Make():
                _keep_edited(change.path, change.keep_as, root)
                _make(change.step, change.path, root)
            case GiveBack():
                _keep_edited(change.path, change.keep_as, root)
                _give_back(change, root, keep_content=record.paths[change.path].kept)
            case Empty():
                root.empty(change.path)
            case RemoveAccount(kind="user"):
                Accounts(root).remove_user(change.name)
            case RemoveAccount():
                Accounts(root).remove_group(change.name)
            case Forget():
                root.remove(RECORD)
    given_back = {change.path for change in changes if isinstance(change, GiveBack)}
    # A folder that is not empty is tried again at the next call.
    record.forget(path for path in given_back if (entry := root.look(path)) is None or entry.kind != "folder")
    if not any(isinstance(change, Forget) for change in changes):
        record.save(root)


def announcement(command: Sequence[str]) -> str:
    """The text shown before a command is run."""
    return "run " + " ".join(command)


def run(commands: Iterable[Sequence[str]], show: Callable[[str], None]) -> None:
    """Run all system commands: the last one starts the recorder. Raises StagelogError for the first that fails."""
    failures = []
    for command in commands:
        show(announcement(command))
        try:
            _run(command)
        except StagelogError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the plan's
    except FileNotFoundError as error:
        raise StagelogError("command not found", where=command[0]) from error
    if done.returncode != 0:
        raise StagelogError(
            " ".join(done.stderr.split()) or f"exit code {done.returncode}",
            where=" ".join(command),
            hint="see the reason with `journalctl -u stagelog-recorder -u stagelog-crew`",
        )


def are_active(units: Iterable[str]) -> bool:
    """Whether all services are active, according to systemd."""
    command = ("systemctl", "is-active", "--quiet")
    return all(
        subprocess.run((*command, unit), check=False).returncode == 0  # noqa: S603 - names from the plan
        for unit in units
    )


def _remember(change: Make, root: Root, record: Record) -> None:
    step = change.step
    if isinstance(step, Account):
        accounts = Accounts(root)
        if accounts.gid(step.group) is None and step.group not in record.groups:
            record.groups.append(step.group)
        if step.name not in record.users:
            record.users.append(step.name)
        return
    kept = isinstance(step, File) and step.keep
    trace = record.paths.get(change.path)
    if trace is None:
        was = root.look(change.path)
        if was is not None and kept:
            was = replace(was, content=b"")  # the file stays, and it contains the pin
        trace = record.paths[change.path] = Trace(was, kept=kept)
    if not (kept or isinstance(step, Folder)):
        trace.ours = digest(_entry(step))


def _make(step: Step, path: str, root: Root) -> None:
    accounts = Accounts(root)
    if isinstance(step, Account):
        accounts.add(step.name, step.group)
    elif isinstance(step, Folder | File):
        uid, gid = accounts.uid(step.owner), accounts.gid(step.group)
        if uid is None or gid is None:
            raise StagelogError(f"its owner {step.owner}:{step.group} does not exist", where=path)
        entry = root.look(path)
        if isinstance(step, File) and not (step.keep and entry is not None and entry.kind == "file"):
            root.write(path, step.content, step.mode, uid, gid)
        elif isinstance(step, Folder) and entry is None:
            root.make_folder(path, step.mode, uid, gid)
        else:
            root.own(path, step.mode, uid, gid)
    else:
        root.link(path, _entry(step).target)


def _give_back(change: GiveBack, root: Root, *, keep_content: bool) -> None:
    path, was, now = change.path, change.was, root.look(change.path)
    if was is None:
        if now is not None and now.kind == "folder":
            root.remove_folder(path)
        elif now is not None:
            root.remove(path)
    elif was.kind == "folder" or keep_content:
        root.own(path, was.mode, was.uid, was.gid)
    elif was.kind == "link":
        root.link(path, was.target, was.uid, was.gid)
    else:
        root.write(path, was.content, was.mode, was.uid, was.gid)


def _keep_edited(path: str, keep_as: str, root: Root) -> None:
    if keep_as:
        root.rename(path, keep_as)


def _entry(step: Step) -> Entry:
    """The directory entry that a file or link step creates."""
    if isinstance(step, File):
        return Entry("file", step.mode, 0, 0, content=step.content)
    assert not isinstance(step, Account | Folder)  # noqa: S101 - those have no content
    return Entry("link", 0o777, 0, 0, target=step.target)
