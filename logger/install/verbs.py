"""The installer's verbs: install and uninstall. They look, ask and open; plan, change and apply do the work."""

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
from logger import __version__
from logger.boundary.terminal import echo
from logger.config import configuration as configs
from logger.config.configuration import Config
from logger.install import adapters, apply, change, plan, record
from logger.install.configuration import CAN_NAME, GPS_NAME, Answers, render, settled
from logger.install.plan import shipped
from logger.install.questions import NO_DEVICE, ask, read_pin
from logger.install.reach import out_of_reach, require_reachable
from logger.install.root import Entry, Root

_IN_AN_IMAGE = "/opt/stagelog/bin/stagelog"
"""Where the README has the program installed."""
_BOOTED = Path("/run/systemd/system")
"""There exactly while systemd runs this machine (sd_booted(3))."""
_UDEV = Path("/run/udev/control")
"""There while udev runs."""
_PORTS = {"gps": ("gps_port", GPS_NAME), "can": ("can_port", CAN_NAME)}
"""By an adapter's role: which option names its port, and the stable name that the port gets."""

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
@click.option(
    "--gps-port", help="The receiver's device; a USB adapter gets a stable name. none: there is none."
)
@click.option("--can-port", help="The CAN adapter's device, the same; or an interface of the kernel: can0.")
@click.option(
    "--protocol", help="What the CAN adapter speaks: slcan, gvret, realdash, canserial; or socketcan."
)
@click.option("--bitrate", type=int, help="Of the car's bus, in bit/s.")
@click.option(
    "--pin-file", type=click.File("rb"), help="The crew page's pin, in a file; - is standard input."
)
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
    pin_file: BinaryIO | None,
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
        hint = "mount the machine's root partition, and name that folder"
        raise ConfigurationError("holds no machine: there is no /etc in it", where=str(directory), hint=hint)
    _require_root(dry_run)
    known = record.load(root) or record.Record()
    options = _options(known, extra, without)
    if (program := program or _usual_program(root)) != plan.PROGRAM:
        require_reachable(program, root)
    else:
        known.paths.pop(program, None)  # what was our link is the program itself now
    given: dict[str, Any] = {
        name: "" if value == NO_DEVICE else value for name, value in flags.items() if value is not None
    }
    found = adapters.plugged() if root.is_this_machine else []
    configuration = b""
    if (present := root.look(plan.CONFIGURATION)) is None:
        answers = settled(replace(Answers(), **given), given)
        if pin_file is not None:
            answers = replace(answers, pin=read_pin(pin_file))
        if sys.stdin.isatty() and not (yes or dry_run):
            answers = ask(answers, given, found)
        rules, bound = _bind(root, {"gps_port": answers.gps_port, "can_port": answers.can_port}, found)
        answers = replace(answers, **bound)
        if answers.can_port and answers.protocol == "socketcan" and "socketcan" not in without:
            options = tuple(sorted({*options, "socketcan"}))
        configuration = render(answers)
        if answers.pin is None:
            hint = f"pin and host under [serve] in {plan.CONFIGURATION} open it to the crew's telephones"
            echo(f"without a pin the crew page is for this machine alone; {hint}", err=True)
    else:
        rules, bound = _bind(root, given, found)
        unheard = [name for name in given if not bound.get(name)] + (
            ["pin_file"] if pin_file is not None else []
        )
        _say_kept(present, unheard, bound, options)
    steps = plan.installation(
        shipped(), program=program, configuration=configuration, adapter_rules=rules, options=options
    )
    changes = change.to_install(steps, root, known)
    now = (__version__, options)
    runs = root.is_this_machine and _BOOTED.is_dir()
    if not changes and (known.software, known.options) == now and (not runs or apply.are_active(plan.UNITS)):
        echo("nothing to do: all is as it should be")
        return
    # Its version is written down when it runs: an installation that was cut off before is gone on with.
    known.software, known.options = "", options
    _perform(root, known, dry_run, before=(), changes=changes, after=plan.starting(udev=_UDEV.exists()))
    if not dry_run:
        known.software = now[0]
        known.save(root)


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
    _require_root(dry_run)
    known = record.load(root)
    if known is None:
        echo("nothing to do: stagelog is not installed")
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
        echo("systemd is not running here: no service is started, stopped or told", err=True)
        before = after = ()
    if dry_run:
        echo("nothing is changed; this would be done:", err=True)
        for command in before:
            echo(apply.spoken(command))
        for each in changes:
            echo(each.words)
        for command in after:
            echo(apply.spoken(command))
        return
    apply.run(before, echo)
    apply.carry_out(changes, root, known, echo)
    apply.run(after, echo)


def _require_root(dry_run: bool) -> None:
    """Before anything is asked or looked at. Raises StagelogError."""
    if not dry_run and os.geteuid() != 0:
        raise StagelogError("only root may do this", hint="`sudo stagelog ...`")


def _options(known: record.Record, extra: tuple[str, ...], without: tuple[str, ...]) -> tuple[str, ...]:
    """The optional parts to be installed: those that are, with what was asked."""
    wanted = {*known.options, *extra} - set(without)
    if strange := wanted - set(plan.OPTIONS):
        echo(f"this version has no {', '.join(sorted(strange))}: taken out", err=True)
    return tuple(sorted(wanted & set(plan.OPTIONS)))


def _bind(
    root: Root, ports: Mapping[str, Any], found: list[adapters.Adapter]
) -> tuple[bytes, dict[str, Any]]:
    """Rules for the USB adapters that options or answers name, and those ports, with stable names in their place."""
    entry = root.look(plan.ADAPTER_RULES)
    present = entry.content.decode(errors="replace") if entry is not None else ""
    lines: dict[str, str] = {}
    bound: dict[str, Any] = {}
    for role, (option, name) in _PORTS.items():
        if (port := ports.get(option)) is None:
            continue
        bound[option] = port
        adapter = adapters.find(port, found) if port and port != name else None
        if adapter is not None and (line := adapters.rule(role, adapter, found)) is not None:
            lines[role], bound[option] = line, name
    return adapters.rules(present, lines).encode(), bound


def _say_kept(present: Entry, unheard: list[str], bound: Mapping[str, str], options: tuple[str, ...]) -> None:
    """That the configuration stays as it is; what was asked of it; and what this version finds wrong with it."""
    where = plan.CONFIGURATION
    echo(f"{where} is there and is kept: what is to be different is changed in it", err=True)
    if unheard:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in unheard)
        echo(f"{names}: for a new configuration only; nothing of it was changed", err=True)
    try:
        text = present.content.decode()
        if present.kind != "file":
            return
        config = configs.loads(text, where, Path(plan.CONFIGURATION_FOLDER))
    except (ConfigurationError, UnicodeDecodeError) as error:
        echo(f"the recorder will not start with it: {error}", err=True)
        return
    for words in _doubts(config, bound, options):
        echo(words, err=True)


def _doubts(config: Config, bound: Mapping[str, str], options: tuple[str, ...]) -> list[str]:
    """What does not go together: a configuration that is kept, and what is installed beside it."""
    where = plan.CONFIGURATION
    ports = {
        "gps_port": [config.gps.port] if config.gps else [],
        "can_port": [can.port for can in config.can],
    }
    doubts = [
        f'{where} does not name {port}: write port = "{port}" there'
        for option, port in bound.items()
        if port and port not in ports[option]
    ]
    doubts += [f"{path}: {what}; {hint}" for path, what, hint in out_of_reach(config)]
    if config.shutdown is not None and "power-off" not in options:
        doubts.append("[shutdown] is set, and nothing obeys it; `sudo stagelog install --with power-off`")
    if config.clock.chrony is not None and "chrony" not in options:
        doubts.append("[clock] chrony is set, and chrony is not told; `sudo stagelog install --with chrony`")
    if "socketcan" not in options:
        doubts += [
            f"the recorder may not read {can.port}; `sudo stagelog install --with socketcan`"
            for can in config.can
            if can.is_interface
        ]
    if config.gps is not None and config.gps.is_gpsd and "gpsd" not in options:
        doubts.append(
            "[gps] names gpsd, and the recorder has no network; `sudo stagelog install --with gpsd`"
        )
    return doubts


def _usual_program(root: Root) -> str:
    return str(Path(sysconfig.get_path("scripts")) / "stagelog") if root.is_this_machine else _IN_AN_IMAGE
