"""The verbs `check` and `import`: check a configuration or itinerary, convert a route file."""

from __future__ import annotations

from pathlib import Path

import click

from firmware_bridge.errors import ConfigurationError
from logger.boundary.terminal import echo
from logger.boundary.whole_file import write_whole
from logger.config.discovery import choose

EXIT_FOUND_WRONG = 1
_PATH = click.Path(path_type=Path)


@click.command(name="check")
@click.argument("file", type=_PATH, required=False)
def check(file: Path | None) -> int:
    """Check a configuration or an itinerary and list every error, with its line and key.

    Without FILE, the configuration that `stagelog run` would read.
    """
    from logger.config import configuration, input_files  # noqa: PLC0415
    from logger.recorder import setup  # noqa: PLC0415
    from logger.stage import itinerary  # noqa: PLC0415

    file = choose(file)
    try:
        text = input_files.read_text(file)
        if itinerary.looks_like_itinerary(text):
            stage = itinerary.load(text, str(file))
            kind, problems = f"an itinerary of {len(stage.sections)} sections", []
        else:
            kind, problems = "a configuration", setup.problems(configuration.load(file))
    except ConfigurationError as error:
        problems = setup.each_problem(error)
    for problem in problems:
        echo(str(problem), err=True)
    if problems:
        return EXIT_FOUND_WRONG
    echo(f"{file}: {kind}, no errors")
    return 0


@click.command(name="import")
@click.argument("route", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Itinerary file to write, such as stage.toml."
)
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
        with route.open("rb") as stream:
            text, warnings = import_route(stream, str(route))
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(route), hint="check its name"
        ) from error
    for warning in warnings:
        echo(f"{route}: {warning}", err=True)
    write_whole(output, text)
    echo(f"{output}: written; {len(warnings)} warnings; check it with `stagelog check {output}`")
