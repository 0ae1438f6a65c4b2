"""The command line: which verbs there are, and how each error becomes one line and an exit code.

Every verb lives in the room that does its work and is imported when it is called: the recorder must be up
within a second of power-on and pays for nothing else.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from typing import Any, NamedTuple

import click

from firmware_bridge.errors import StagelogError
from logger import __version__
from logger.boundary import interruption, standard_streams
from logger.boundary.os_errors import line_of, named
from logger.boundary.standard_streams import mark_streams
from logger.boundary.terminal import OneLine, echo
from logger.boundary.whole_file import remove_unfinished


class Verb(NamedTuple):
    """Where a verb is defined, and its line in the overview."""

    module: str
    summary: str


VERBS: dict[str, Verb] = {
    "demo": Verb("logger.demo.verbs", "A virtual car, recorded and shown: no hardware needed."),
    "run": Verb("logger.recorder.verbs", "The recorder: from the car's ports into the log."),
    "serve": Verb("logger.crew.verbs", "The crew server: the page that the crew looks at."),
    "watch": Verb("logger.crew.verbs", "The live state in a terminal."),
    "simulate": Verb("logger.demo.verbs", "A whole stage's logs, faster than it was driven."),
    "replay": Verb("logger.replay.verbs", "A log or a raw capture through the recorder's computation again."),
    "import": Verb("logger.cli.check_and_import", "A GPX route file into an itinerary."),
    "check": Verb("logger.cli.check_and_import", "A configuration or an itinerary: every error at once."),
    "logs": Verb("logger.logfile.verbs", "Which logs there are."),
    "info": Verb("logger.logfile.verbs", "What is in a log."),
    "verify": Verb("logger.logfile.verbs", "Is a log whole?"),
    "review": Verb(
        "logger.review.verbs", "A log judged: speed against limits, splits, waypoints, engine, evidence."
    ),
    "compare": Verb("logger.review.verbs", "Team-mates' logs side by side."),
    "standings": Verb("logger.review.verbs", "The class table, from logs, results and penalties."),
    "export": Verb("logger.export.verbs", "A log for other people's programs."),
    "fetch": Verb("logger.transfer.verbs", "The car's logs onto this machine, while it records."),
    "fleet": Verb("logger.fleet.verbs", "A season of logs as one dataset: add, review, query."),
    "doctor": Verb("logger.doctor.verbs", "What is wrong with this car's set-up, in words."),
    "canup": Verb("logger.install.canup", "A CAN interface brought up as the configuration says."),
    "stick": Verb("logger.stick.verbs", "The logs that nobody has yet onto a USB stick."),
    "protect": Verb("logger.retention.verbs", "Have a log stay on the card, however full that becomes."),
    "install": Verb("logger.install.verbs", "Set this machine up as the car's recorder."),
    "uninstall": Verb("logger.install.verbs", "Give the machine back; logs stay."),
}

EXIT_USAGE = 2
EXIT_IO = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""As a program that SIGPIPE ends: whoever read our output, such as `head`, has enough."""
ENDS_BY_ITSELF = frozenset({"run", "serve"})
"""Verbs with signal handlers of their own: what they do on SIGTERM is part of their work."""


class _Verbs(click.Group):
    """A group that imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        function = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = getattr(import_module(verb.module), function)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Here and not in `_run`, because click turns these into codes of its own."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            code = interruption.exit_code()
            if code is not None:  # a library may have made another error of it: "query interrupted"
                raise click.exceptions.Exit(code) from error
            if isinstance(error, BrokenPipeError):
                _discard_output()
                raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
def cli(verbose: bool) -> None:
    """Stagelog: records a rally-raid drive, shows it to the crew, and judges it afterwards.

    `stagelog VERB --help` tells all about a verb. Exit codes: 0 done, 1 found something wrong, 2 wrong usage,
    64 wrong configuration, 69 a needed device or server is not there, or another recorder writes there, 74 reading or
    writing failed, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    for ours in ("firmware_bridge", "logger"):  # what libraries have to say is for their own users
        logging.getLogger(ours).setLevel(logging.DEBUG if verbose else logging.INFO)


def main() -> None:
    """The program's entry point; never returns."""
    standard_streams.open_closed()
    verb = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    if verb not in ENDS_BY_ITSELF:
        interruption.begin()
    code = _run()
    interruption.end()
    if interruption.exit_code() is not None:
        remove_unfinished()  # where the signal came between two lines of what would have removed it
    sys.exit(interruption.exit_code() or code)


def _run() -> int:
    mark_streams()
    try:
        result = cli.main(prog_name="stagelog", standalone_mode=False)
        with named("standard output"):
            sys.stdout.flush()  # what the buffer still has may be what does not fit
    except click.ClickException as error:
        for line in _wrong_use(error):
            echo(line, err=True)
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return EXIT_BROKEN_PIPE
    except StagelogError as error:
        _settle_output()
        echo(f"stagelog: {error}", err=True)
        return error.exit_code
    except OSError as error:
        _settle_output()
        echo(f"stagelog: {line_of(error)}", err=True)
        return EXIT_IO
    return result if isinstance(result, int) else 0


def _settle_output() -> None:
    """Write what the standard output still has before the error; where that is what failed, discard it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _discard_output()


def _discard_output() -> None:
    """Do not write what the standard output still has: a second failure would be a traceback at the exit."""
    with suppress(OSError, ValueError):  # a stream without a descriptor has nothing left to fail
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _wrong_use(error: click.ClickException) -> list[str]:
    """One line; or the overview, for whoever asked for nothing."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message().splitlines()
    what = error.format_message().removesuffix(".")
    context = getattr(error, "ctx", None)
    verb = context.command_path if context else "stagelog"
    return [f"{verb}: {what}; `{verb} --help` tells how"]
