"""Command-line interface of the verbs install and uninstall; plan, change and apply do the work."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.terminal import echo
from logger.config import configuration as configs
from logger.config.configuration import Config
from logger.install import adapters, apply, change, plan, record
from logger.install.configuration import CAN_NAME, GPS_NAME, Answers, given_answers, render, settled
from logger.install.for_shells import shell_files
from logger.install.plan import shipped
from logger.install.questions import ask, read_pin, settings_options
from logger.install.reach import out_of_reach, require_reachable
from logger.install.root import Entry, Root
from logger.version import VERSION

_IN_AN_IMAGE = "/opt/stagelog/bin/stagelog"
"""The program's path in the README."""
_BOOTED = Path("/run/systemd/system")
"""Exists exactly while systemd runs this machine (sd_booted(3))."""
_UDEV = Path("/run/udev/control")
"""Exists while udev runs."""
_PORTS = {"gps": ("gps_port", GPS_NAME), "can": ("can_port", CAN_NAME)}
"""For an adapter's role: the option for its port, and the port's stable name."""

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
def install(
    directory: Path,
    dry_run: bool,
    program: str | None,
    pin_file: BinaryIO | None,
    extra: tuple[str, ...],
    without: tuple[str, ...],
    yes: bool,
    **flags: Any,
) -> None:
    """Install the recorder and the crew server as services, or update an installation to this version.

    Keeps an existing configuration and the logs. For a new configuration it prompts for the settings; with --yes, or
    without a terminal, it takes them from the options.
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
    given = given_answers(flags)
    plugged = adapters.plugged() if root.is_this_machine else []
    configuration = b""
    if (present := root.look(plan.CONFIGURATION)) is None:
        answers = settled(replace(Answers(), **given), given)
        if pin_file is not None:
            answers = replace(answers, pin=read_pin(pin_file))
        if sys.stdin.isatty() and not (yes or dry_run):
            answers = ask(answers, given, plugged)
        rules, bound = _bind(root, {"gps_port": answers.gps_port, "can_port": answers.can_port}, plugged)
        answers = replace(answers, **bound)
        if answers.can_port and answers.protocol == "socketcan" and "socketcan" not in without:
            options = tuple(sorted({*options, "socketcan"}))
        configuration = render(answers)
        if answers.pin is None:
            hint = f"set pin and host under [serve] in {plan.CONFIGURATION} to allow the crew's phones"
            echo(f"without a pin the crew page is available on this machine only; {hint}", err=True)
    else:
        rules, bound = _bind(root, given, plugged)
        ignored = [name for name in given if not bound.get(name)] + (
            ["pin_file"] if pin_file is not None else []
        )
        _report_kept(present, ignored, bound, options)
    steps = plan.installation(
        shipped(),
        program=program,
        configuration=configuration,
        adapter_rules=rules,
        options=options,
        shell_files=shell_files(),
    )
    changes = change.to_install(steps, root, known)
    now = (VERSION, options)
    runs = root.is_this_machine and _BOOTED.is_dir()
    if not changes and (known.software, known.options) == now and (not runs or apply.are_active(plan.UNITS)):
        echo("nothing to do: stagelog is installed and up to date")
        return
    # The version is recorded only at the end, so that an interrupted installation is continued.
    known.software, known.options = "", options
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


def _bind(
    root: Root, ports: Mapping[str, Any], plugged: list[adapters.Adapter]
) -> tuple[bytes, dict[str, Any]]:
    """udev rules for the USB adapters at `ports`, and the ports, with stable names for those adapters."""
    entry = root.look(plan.ADAPTER_RULES)
    present = entry.content.decode(errors="replace") if entry is not None else ""
    lines: dict[str, str] = {}
    bound: dict[str, Any] = {}
    for role, (option, name) in _PORTS.items():
        if (port := ports.get(option)) is None:
            continue
        bound[option] = port
        adapter = adapters.find(port, plugged) if port and port != name else None
        if adapter is not None and (line := adapters.rule(role, adapter, plugged)) is not None:
            lines[role], bound[option] = line, name
    return adapters.rules(present, lines).encode(), bound


def _report_kept(
    present: Entry, ignored: list[str], bound: Mapping[str, str], options: tuple[str, ...]
) -> None:
    """Report that the configuration is kept, the options ignored for it, and its problems with this version."""
    where = plan.CONFIGURATION
    echo(f"{where} exists and is kept: edit it to change settings", err=True)
    if ignored:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in ignored)
        echo(f"{names}: for a new configuration only; ignored", err=True)
    try:
        text = present.content.decode()
        if present.kind != "file":
            return
        config = configs.loads(text, where, Path(plan.CONFIGURATION_FOLDER))
    except (ConfigurationError, UnicodeDecodeError) as error:
        echo(f"the recorder will not start with it: {error}", err=True)
        return
    for text in _conflicts(config, bound, options):
        echo(text, err=True)


def _conflicts(config: Config, bound: Mapping[str, str], options: tuple[str, ...]) -> list[str]:
    """The conflicts between a kept configuration and the installed ports and options."""
    where = plan.CONFIGURATION
    ports = {
        "gps_port": [config.gps.port] if config.gps else [],
        "can_port": [can.port for can in config.can],
    }
    conflicts = [
        f'{where} does not name {port}: write port = "{port}" there'
        for option, port in bound.items()
        if port and port not in ports[option]
    ]
    conflicts += [f"{path}: {what}; {hint}" for path, what, hint in out_of_reach(config)]
    if config.shutdown is not None and "power-off" not in options:
        conflicts.append(
            "[shutdown] is set, but no service executes it; `sudo stagelog install --with power-off`"
        )
    if config.clock.chrony is not None and "chrony" not in options:
        conflicts.append(
            "[clock] chrony is set, but chrony is not set up; `sudo stagelog install --with chrony`"
        )
    if "socketcan" not in options:
        conflicts += [
            f"the recorder may not read {can.port}; `sudo stagelog install --with socketcan`"
            for can in config.can
            if can.is_interface
        ]
    if config.gps is not None and config.gps.is_gpsd and "gpsd" not in options:
        conflicts.append(
            "[gps] names gpsd, but the recorder has no network; `sudo stagelog install --with gpsd`"
        )
    return conflicts


def _usual_program(root: Root) -> str:
    return str(Path(sysconfig.get_path("scripts")) / "stagelog") if root.is_this_machine else _IN_AN_IMAGE
