"""Command-line interface of the verbs install and uninstall; plan, change and apply do the work."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any, BinaryIO

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.terminal import echo
from logger.install import apply, change, plan, record
from logger.install.card_files import write_all
from logger.install.chosen import Given, chosen
from logger.install.configuration import given_answers
from logger.install.for_shells import shell_files
from logger.install.plan import shipped
from logger.install.questions import settings_options
from logger.install.reach import require_reachable
from logger.install.root import Root
from logger.version import VERSION

_IN_AN_IMAGE = "/opt/stagelog/bin/stagelog"
"""The program's path in the README."""
_BOOTED = Path("/run/systemd/system")
"""Exists exactly while systemd runs this machine (sd_booted(3))."""
_UDEV = Path("/run/udev/control")
"""Exists while udev runs."""
_root_option = click.option(
    "--root",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    help="Work on the machine image mounted at this folder.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print the changes without making them.")


@click.command(name="install")
@_root_option
@_dry_run
@click.option(
    "--program", help=f"Path of the stagelog program to run. Default: this one; in an image {_IN_AN_IMAGE}."
)
@settings_options
@click.option(
    "--with", "extra", multiple=True, type=click.Choice(list(plan.OPTIONS)), help="Install this option too."
)
@click.option("--without", multiple=True, type=click.Choice(list(plan.OPTIONS)), help="Remove this option.")
@click.option(
    "--change", "is_changing", is_flag=True, help="Change these settings in an existing configuration too."
)
def install(
    directory: Path,
    dry_run: bool,
    is_changing: bool,
    program: str | None,
    pin_file: BinaryIO | None,
    extra: tuple[str, ...],
    without: tuple[str, ...],
    yes: bool,
    **flags: Any,
) -> None:
    """Install the recorder and the crew server as services, or update an installation to this version.

    Keeps an existing configuration and the logs. For a new configuration it prompts for the settings, and with --change
    again; with --yes, or without a terminal, it takes them from the options.
    """
    root = Root(directory)
    if root.look("/etc") is None:
        hint = "mount the machine's root partition, and give that folder"
        raise ConfigurationError("not a machine image: it has no /etc", where=str(directory), hint=hint)
    _require_root(dry_run)
    known = record.load(root) or record.Record()
    options = _options(known, extra, without)
    if (program := program or _usual_program(root)) != plan.PROGRAM:
        _require_reachable(program, root, dry_run)
    else:
        known.paths.pop(program, None)  # the program itself replaces the link
    is_asking = sys.stdin.isatty() and not (yes or dry_run)
    made = chosen(Given(given_answers(flags), pin_file, is_asking), root, options, without, is_changing)
    options, changed = made.options, made.changed
    steps = plan.installation(
        shipped(),
        program=program,
        configuration=made.configuration,
        adapter_rules=made.rules,
        options=options,
        shell_files=shell_files(),
    )
    changes = change.to_install(steps, root, known)
    now = (VERSION, options)
    runs = root.is_this_machine and _BOOTED.is_dir()
    is_same = not changes and changed is None and (known.software, known.options) == now
    if is_same and (not runs or apply.are_active(plan.UNITS)):
        echo("nothing to do: stagelog is installed and up to date")
        return
    # The version is recorded only at the end, so that an interrupted installation is continued.
    known.software, known.options = "", options
    if changed is not None:
        echo(f"change {changed.path}" + ("; the edited file is kept" if changed.is_edited else ""))
        if not dry_run:
            write_all([changed], root)
    _perform(root, known, dry_run, before=(), changes=changes, after=plan.starting(udev=_UDEV.exists()))
    if not dry_run:
        known.software = now[0]
        known.save(root)


@click.command(name="uninstall")
@_root_option
@_dry_run
@click.option("--configuration", is_flag=True, help="Also remove the configuration, if install created it.")
@click.option("--logs", is_flag=True, help="Also remove ALL LOGS.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before removing logs.")
def uninstall(directory: Path, dry_run: bool, configuration: bool, logs: bool, yes: bool) -> None:
    """Remove the services and restore what was there before them.

    The configuration, the logs and the users that own them stay unless the options remove them.
    """
    root = Root(directory)
    _require_root(dry_run)
    known = record.load(root)
    if known is None:
        echo("nothing to do: stagelog is not installed")
        return
    changes = change.to_uninstall(root, known, configuration=configuration, logs=logs)
    if logs and not (dry_run or yes):
        click.confirm(f"Remove all logs in {plan.LOGS} permanently?", abort=True)
    _perform(
        root, known, dry_run, before=plan.stopping(), changes=changes, after=plan.stopped(udev=_UDEV.exists())
    )


def _perform(
    root: Root,
    known: record.Record,
    dry_run: bool,
    *,
    before: plan.Commands,
    changes: list[change.Change],
    after: plan.Commands,
) -> None:
    running = root.is_this_machine and _BOOTED.is_dir()
    if not running:
        echo("systemd is not running here: no service is started, stopped or reloaded", err=True)
        before = after = ()
    if dry_run:
        echo("dry run, nothing is changed; the installation would:", err=True)
        for command in before:
            echo(apply.announcement(command))
        for each in changes:
            echo(each.text)
        for command in after:
            echo(apply.announcement(command))
        return
    apply.run(before, echo)
    apply.carry_out(changes, root, known, echo)
    apply.run(after, echo)


def _require_reachable(program: str, root: Root, dry_run: bool) -> None:
    """Refuse a program that the services cannot see; a dry run warns, and lists the changes all the same."""
    try:
        require_reachable(program, root)
    except ConfigurationError as error:
        if not dry_run:
            raise
        echo(f"warning: {error}", err=True)


def _require_root(dry_run: bool) -> None:
    """Refuse any user but root, except for a dry run. Raises StagelogError."""
    if not dry_run and os.geteuid() != 0:
        raise StagelogError("only root may do this", hint="`sudo stagelog ...`")


def _options(known: record.Record, extra: tuple[str, ...], without: tuple[str, ...]) -> tuple[str, ...]:
    """The optional parts to install: the installed ones, plus `extra`, without `without`."""
    selected = {*known.options, *extra} - set(without)
    if unknown := selected - set(plan.OPTIONS):
        echo(f"this version has no option {', '.join(sorted(unknown))}: removed", err=True)
    return tuple(sorted(selected & set(plan.OPTIONS)))


def _usual_program(root: Root) -> str:
    return str(Path(sysconfig.get_path("scripts")) / "stagelog") if root.is_this_machine else _IN_AN_IMAGE
