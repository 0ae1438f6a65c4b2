"""The command line: the table of verbs, and one error line and exit code for each failure.

Each verb is defined in the package that does its work and is imported only when called: the recorder must be up
within a second of power-on.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from firmware_bridge.errors import StagelogError
from logger.boundary import extras, interruption, standard_streams
from logger.boundary.os_errors import line_of, named
from logger.boundary.standard_streams import mark_streams
from logger.boundary.terminal import echo, log_handler
from logger.boundary.whole_file import remove_unfinished
from logger.version import VERSION

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Verb(NamedTuple):
    """The module of a verb, and its one-line summary in the overview."""

    module: str
    summary: str


VERBS: dict[str, Verb] = {
    "demo": Verb("logger.demo.verbs", "Record and show a virtual car; needs no hardware."),
    "init": Verb("logger.cli.init", "Write a configuration for the devices that are plugged in."),
    "run": Verb("logger.recorder.verbs", "Record from the car's ports into a log."),
    "serve": Verb("logger.crew.verbs", "Serve the crew page."),
    "watch": Verb("logger.crew.verbs", "Show the live state in a terminal."),
    "simulate": Verb("logger.demo.verbs", "Write the logs of a simulated stage, faster than real time."),
    "replay": Verb("logger.replay.verbs", "Process a log or a raw capture as the recorder would."),
    "import": Verb("logger.cli.check_and_import", "Convert a GPX route file to an itinerary."),
    "check": Verb("logger.cli.check_and_import", "Check a configuration or an itinerary; list every error."),
    "logs": Verb("logger.logfile.verbs", "List the logs in a folder."),
    "info": Verb("logger.logfile.verbs", "Show what a log contains."),
    "verify": Verb("logger.logfile.verbs", "Check that logs are whole."),
    "review": Verb("logger.review.verbs", "Review a log: speed, splits, waypoints, engine, evidence."),
    "compare": Verb("logger.review.verbs", "Compare team-mates' logs side by side."),
    "standings": Verb("logger.review.verbs", "Compute the class table from logs, results, penalties."),
    "export": Verb("logger.export.verbs", "Export a log for other programs."),
    "fetch": Verb("logger.transfer.verbs", "Download the car's logs, even while it records."),
    "fleet": Verb("logger.fleet.verbs", "Keep a season of logs as one dataset: add, review, query."),
    "doctor": Verb("logger.doctor.verbs", "Diagnose the car's set-up and print how to fix it."),
    "canup": Verb("logger.install.canup", "Bring up a CAN interface as configured."),
    "stick": Verb("logger.stick.verbs", "Copy logs not yet downloaded to a USB stick."),
    "protect": Verb("logger.retention.verbs", "Protect a log from removal when the card fills up."),
    "install": Verb("logger.install.verbs", "Set up this machine as the car's recorder."),
    "uninstall": Verb("logger.install.verbs", "Undo the installation; keep the logs."),
}

COMPLETE_VARIABLE = "_STAGELOG_COMPLETE"
"""Set by the shell when it asks for completions; click derives the name from the program's."""
EXIT_USAGE = 2
EXIT_IO = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""The code of a program ended by SIGPIPE: the reader of our output, such as `head`, has closed it."""
HANDLES_SIGNALS = frozenset({"run", "serve"})
"""Verbs with their own signal handlers: SIGTERM is part of their normal operation."""


class _Verbs(click.Group):
    """A group that imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "help":
            return help_
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        function = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = getattr(import_module(verb.module), function)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parse the arguments. `--help` and `--version` print here, and the reader may have closed the pipe."""
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError as error:
            _discard_output()
            raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Handled here and not in `_run`, because click maps these exceptions to its own exit codes."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            code = interruption.exit_code()
            if code is not None:  # a library may have replaced it by another error: "query interrupted"
                raise click.exceptions.Exit(code) from error
            if isinstance(error, BrokenPipeError):
                _discard_output()
                raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from error
            if isinstance(error, ImportError):
                known = extras.missing(error, ctx.invoked_subcommand or "")
                if known is not None:
                    raise known from error
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs and options that begin with `incomplete`; click's own would import every verb's module."""
        return [*_verbs_like(incomplete), *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, "-V", "--version")
@click.option("-v", "--verbose", is_flag=True, help="Print more on standard error.")
def cli(verbose: bool) -> None:
    """Record a rally-raid drive, show it to the crew, and review it afterwards.

    `stagelog help VERB` describes a verb. Exit codes: 0 done, 1 problems found, 2 wrong usage, 3 a penalty
    (--fail-on-penalty), 64 wrong configuration, 69 a required device or server is missing or another recorder is
    running, 74 reading or writing failed, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    logging.basicConfig(handlers=[log_handler()])
    for ours in ("firmware_bridge", "logger"):  # not the messages of libraries
        logging.getLogger(ours).setLevel(logging.DEBUG if verbose else logging.INFO)


@click.command(name="help", help="Show the help of a verb, or the overview.")
@click.argument("verb", nargs=-1, shell_complete=lambda _context, _argument, word: _verbs_like(word))
@click.pass_context
def help_(context: click.Context, verb: tuple[str, ...]) -> None:
    """Print what `stagelog VERB --help` prints."""
    shown = context.find_root()
    for name in verb:
        group = shown.command
        command = group.get_command(shown, name) if isinstance(group, click.Group) else None
        if command is None:
            is_group = isinstance(group, click.Group)
            raise click.UsageError(
                f"No such command '{name}'." if is_group else "has no verbs of its own", shown
            )
        shown = click.Context(command, shown, name)
    for line in shown.get_help().splitlines():
        echo(line)


def _verbs_like(incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

    summaries = {name: verb.summary for name, verb in VERBS.items()} | {"help": help_.help}
    return [
        CompletionItem(name, help=text) for name, text in summaries.items() if name.startswith(incomplete)
    ]


def main() -> None:
    """The program's entry point; never returns."""
    standard_streams.open_closed()
    verb = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    if verb not in HANDLES_SIGNALS:
        interruption.begin()
    code = _run()
    interruption.end()
    if interruption.exit_code() is not None:
        remove_unfinished()  # if the signal interrupted the clean-up itself
    sys.exit(interruption.exit_code() or code)


def _run() -> int:
    if COMPLETE_VARIABLE not in os.environ:  # the answer to a shell has tabs; it has no text of others
        mark_streams()
    try:
        result = cli.main(prog_name="stagelog", standalone_mode=False)
        with named("standard output"):
            sys.stdout.flush()  # the rest of the buffer may not fit on the disk
    except click.ClickException as error:
        for line in _usage_error(error):
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
    """Flush standard output before printing the error; if that fails too, discard it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _discard_output()


def _discard_output() -> None:
    """Discard unflushed standard output: a second failure would print a traceback at exit."""
    with suppress(OSError, ValueError):  # a stream without a descriptor has nothing to flush
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _usage_error(error: click.ClickException) -> list[str]:
    """The error as one line; or the overview if no verb was given."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message().splitlines()
    from logger.cli.usage import error_line  # noqa: PLC0415 - imports difflib, which no correct call needs

    return [error_line(error, cli, sys.argv[1:])]
