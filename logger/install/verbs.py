"""The installer's verbs: install and uninstall. They look, ask and open; plan, change and apply do the work."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger import config
from logger.install import adapters, apply, change, plan, record
from logger.install.asking import ask, read_pin
from logger.install.configuration import CAN_NAME, GPS_NAME, Answers, render
from logger.install.root import Entry, Root
from logger.install.shipped import shipped

_HIDDEN_FROM_SERVICES = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - names, not used as such
"""What ProtectHome= and PrivateTmp= of the units take away: a program that lies there cannot be started."""
_IN_AN_IMAGE = "/opt/stagelog/bin/stagelog"
"""Where the README has the program installed."""
_BOOTED = Path("/run/systemd/system")
"""There exactly while systemd runs this machine (sd_booted(3))."""
_UDEV = Path("/run/udev/control")
"""There while udev runs."""

_root_option = click.option(
    "--root",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    help="Work on the machine whose files lie below this folder: an image.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.command(name="install")
@_root_option
@_dry_run
@click.option("--program", help=f"The stagelog to be run. Default: this one; in an image {_IN_AN_IMAGE}.")
@click.option("--number", type=int, help="The car's number.")
@click.option("--gps-port", help="The receiver's device; a USB adapter gets a stable name of its own.")
@click.option("--can-port", help="The CAN adapter's device; the same.")
@click.option("--protocol", help="What the CAN adapter speaks: slcan, gvret, realdash, canserial.")
@click.option("--bitrate", type=int, help="Of the car's bus, in bit/s.")
@click.option("--pin-file", type=click.File(), help="The crew page's pin, in a file; - is standard input.")
@click.option(
    "--with", "extra", multiple=True, type=click.Choice(list(plan.OPTIONS)), help="Also install this."
)
@click.option("--without", multiple=True, type=click.Choice(list(plan.OPTIONS)), help="Take this out again.")
@click.option(
    "-y", "--yes", is_flag=True, help="Ask nothing; what no option says is left at its usual value."
)
def install(
    directory: Path,
    dry_run: bool,
    program: str | None,
    pin_file: Any,
    extra: tuple[str, ...],
    without: tuple[str, ...],
    yes: bool,
    **flags: Any,
) -> None:
    """Install the recorder and the crew server as services, or bring an installation up to this version.

    A configuration that is there is kept, and so are the logs. Asks for what it needs to know for a new
    configuration; with --yes, or without a terminal, the options say it.
    """
    root = Root(directory)
    if root.look("/etc") is None:
        mend = "mount the machine's root partition, and name that folder"
        raise ConfigurationError("holds no machine: there is no /etc in it", where=str(directory), mend=mend)
    known = record.load(root) or record.Record()
    options = tuple(sorted({*known.options, *extra} - set(without)))
    if (program := program or _usual_program(root)) != plan.PROGRAM:
        _require_reachable(program, root)
    else:
        known.paths.pop(program, None)  # what was our link is the program itself now
    given = {name: value for name, value in flags.items() if value is not None}
    rules, given = _bind(root, given)
    configuration = b""
    if (present := root.look(plan.CONFIGURATION)) is None:
        answers = replace(Answers(), **given)
        if pin_file is not None:
            answers = replace(answers, pin=read_pin(pin_file))
        if sys.stdin.isatty() and not (yes or dry_run):
            answers = ask(answers, given)
        configuration = render(answers)
    else:
        click.echo(
            f"{plan.CONFIGURATION} is there and is kept: what is to be different is changed in it", err=True
        )
        _judge(present)
    steps = plan.installation(
        shipped(), program=program, configuration=configuration, adapter_rules=rules, options=options
    )
    changes = change.to_install(steps, root, known)
    now = (version("stagelog"), options)
    news = bool(changes) or (known.software, known.options) != now
    known.software, known.options = now
    if not news:
        click.echo("nothing to do: all is as it should be")
        return
    _perform(root, known, dry_run, before=(), changes=changes, after=plan.starting(udev=_UDEV.exists()))


@click.command(name="uninstall")
@_root_option
@_dry_run
@click.option("--configuration", is_flag=True, help="Remove the configuration as well, if install made it.")
@click.option("--logs", is_flag=True, help="Remove ALL LOGS as well.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before logs are removed.")
def uninstall(directory: Path, dry_run: bool, configuration: bool, logs: bool, yes: bool) -> None:
    """Take the services out again and give back what was there before them.

    The configuration and the logs stay unless asked, and with them the users that they belong to.
    """
    root = Root(directory)
    known = record.load(root)
    if known is None:
        click.echo("nothing to do: stagelog is not installed")
        return
    changes = change.to_uninstall(root, known, configuration=configuration, logs=logs)
    if logs and not (dry_run or yes):
        click.confirm(f"Remove all logs in {plan.LOGS} for ever?", abort=True)
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
        click.echo("systemd is not running here: no service is started, stopped or told", err=True)
        before = after = ()
    if dry_run:
        click.echo("nothing is changed; this would be done:", err=True)
        for command in before:
            click.echo(apply.spoken(command))
        for each in changes:
            click.echo(each.words)
        for command in after:
            click.echo(apply.spoken(command))
        return
    if os.geteuid() != 0:
        raise StagelogError("only root may do this", mend="`sudo stagelog ...`")
    apply.run(before, click.echo)
    apply.carry_out(changes, root, known, click.echo)
    apply.run(after, click.echo)


def _bind(root: Root, given: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Rules for the USB adapters that the options name, and the options with stable names in their place."""
    entry = root.look(plan.ADAPTER_RULES)
    present = entry.content.decode(errors="replace") if entry is not None else ""
    bound: dict[str, str] = {}
    stable = {"gps": ("gps_port", GPS_NAME), "can": ("can_port", CAN_NAME)}
    found = adapters.plugged() if root.is_this_machine else []
    for role, (option, name) in stable.items():
        port = given.get(option)
        adapter = adapters.find(port, found) if port and port != name else None
        if adapter is not None and (line := adapters.rule(role, adapter, found)) is not None:
            bound[role] = line
            given = given | {option: name}
    return adapters.rules(present, bound).encode(), given


def _judge(present: Entry) -> None:
    """Say what this version finds wrong with a configuration that is kept."""
    try:
        text = present.content.decode()
        if present.kind == "file":
            config.loads(text, plan.CONFIGURATION, Path(plan.CONFIGURATION_FOLDER))
    except (ConfigurationError, UnicodeDecodeError) as error:
        click.echo(f"the recorder will not start with it: {error}", err=True)


def _usual_program(root: Root) -> str:
    return str(Path(sysconfig.get_path("scripts")) / "stagelog") if root.is_this_machine else _IN_AN_IMAGE


def _require_reachable(program: str, root: Root) -> None:
    """Refuse a program that the services would not see. Raises ConfigurationError."""
    places = {program}
    if root.is_this_machine:
        places |= {str(Path(program).resolve()), *_what_it_loads(program)}
    for place in sorted(places):
        if not place.startswith("/") or any(
            Path(place).is_relative_to(away) for away in _HIDDEN_FROM_SERVICES
        ):
            raise ConfigurationError(
                "the services cannot run it from there: they see no home and no temporary folders",
                where=place,
                mend="install it under /opt/stagelog, as systemd/README.md says, and call `install` from there",
            )
    if root.look(program) is None:
        click.echo(f"{program} is not there yet: the services wait for it", err=True)


def _what_it_loads(program: str) -> set[str]:
    """Where our own interpreter and packages lie; nothing for a program that is not this one."""
    if Path(program).parent != Path(sysconfig.get_path("scripts")):
        return set()
    return {sys.prefix, str(Path(sys.executable).resolve()), str(Path(__file__).resolve())}
