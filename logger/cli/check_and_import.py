"""The verbs `check` and `import`: check a configuration or itinerary, convert a route file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.file_kind import other_kind
from logger.boundary.options import PATH, json_option
from logger.boundary.terminal import echo, echo_json
from logger.boundary.whole_file import require_writable, write_whole
from logger.config.discovery import choose

if TYPE_CHECKING:
    from logger.stage.file_role import Role

EXIT_FOUND_WRONG = 1
_LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(:\d+)?", re.DOTALL)
"""The place of an error with a line, and perhaps a column."""


@click.command(name="check")
@click.argument("file", type=PATH, required=False)
@json_option
def check(file: Path | None, as_json: bool) -> int:
    """Check a configuration, an itinerary or a rules file and list every error, with its line and key.

    Without FILE, the configuration that `stagelog run` would read.
    """
    from logger.config import configuration, input_files  # noqa: PLC0415
    from logger.recorder import setup  # noqa: PLC0415
    from logger.stage import itinerary, rules  # noqa: PLC0415
    from logger.stage.file_role import role_of  # noqa: PLC0415

    file = choose(file, quiet=as_json)
    kind: Role | None = None
    sections: int | None = None
    problems: Sequence[ConfigurationError] = ()
    try:
        text = input_files.read_text(file)
        kind = role_of(text) or "configuration"
        match kind:
            case "itinerary":
                sections = len(itinerary.load(text, str(file)).sections)
            case "rules":
                rules.load(text, str(file))
            case "configuration":
                problems = setup.problems(configuration.load(file))
    except ConfigurationError as error:
        problems = setup.each_problem(error)
    if as_json:
        errors = [_error(problem) for problem in problems]
        echo_json({"file": str(file), "kind": kind, "sections": sections, "errors": errors})
    else:
        for problem in problems:
            echo(str(problem), err=True)
        if not problems:
            what = {"itinerary": f"an itinerary of {sections} sections", "rules": "a rules file"}
            echo(f"{file}: {what.get(kind or '', 'a configuration')}, no errors")
    return EXIT_FOUND_WRONG if problems else 0


def _error(problem: ConfigurationError) -> dict[str, Any]:
    """A problem as an entry of the document; `line` is None for one that concerns the whole file."""
    place = _LINE.fullmatch(problem.where)
    return {
        "file": place["file"] if place else problem.where or None,
        "line": int(place["line"]) if place else None,
        "what": problem.what,
        "hint": problem.hint or None,
    }


def _present(_context: click.Context, _argument: click.Parameter, route: Path) -> Path:
    """Report a missing route file before click reports a missing --output."""
    if not route.exists():
        raise ConfigurationError(
            "cannot be read: No such file or directory", where=str(route), hint="check its name"
        )
    return route


def _require_no_configuration(output: Path) -> None:
    """Refuse the name of a configuration or of rules, which were written by hand. Raises ConfigurationError."""
    from logger.config.input_files import read_text  # noqa: PLC0415
    from logger.stage.file_role import role_of  # noqa: PLC0415

    role = role_of(read_text(output)) if output.is_file() else None
    if role in ("configuration", "rules"):
        what = "this name belongs to another file than an itinerary: it is not overwritten"
        raise ConfigurationError(what, where=str(output), hint="choose another name for the output")


@click.command(name="import")
@click.argument("route", type=PATH, callback=_present)
@click.option("-o", "--output", type=PATH, required=True, help="Itinerary file to write, such as stage.toml.")
def import_(route: Path, output: Path) -> None:
    """Convert ROUTE, a GPX file, to an itinerary.

    ROUTE is OpenRally of any version, or plain GPX with the kind of each waypoint in its name. Keeps speed zones,
    waypoints and their radii, neutralisations and time controls. Measures missing distances along the track. Prints a
    warning for everything unusual. Check the result: such a file rarely has the event, the number, the date and the
    target times.
    """
    from logger.config.input_files import require_file  # noqa: PLC0415
    from logger.stage.openrally.read import import_route  # noqa: PLC0415 - an XML parser

    try:
        require_file(route)
        if (other := other_kind(route, "gpx", "text")) is not None:
            hint = "give an OpenRally GPX file, or the GPX file of a route"
            raise ConfigurationError(
                f"cannot be read: {other.name}, not a GPX file", where=str(route), hint=hint
            )
        require_writable(output, route)
        _require_no_configuration(output)
        with route.open("rb") as stream:
            text, warnings = import_route(stream, str(route))
    except OSError as error:
        if isinstance(error, StagelogError) or error.filename != str(route):
            raise
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(route), hint="check its name"
        ) from error
    for warning in warnings:
        echo(f"{route}: {warning}", err=True)
    write_whole(output, text)
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    echo(f"{output}: written; {count}; check it with `stagelog check {output}`")
