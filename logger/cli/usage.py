"""Describe wrong usage in one line: what is wrong, the nearest right name, and how to see the usage.

click's own messages have line ends and tabs, and its words differ between versions.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import click

_OTHER_WORDS = {
    "record": "run",
    "start": "run",
    "status": "watch",
    "live": "watch",
    "list": "logs",
    "ls": "logs",
    "show": "info",
    "convert": "export",
    "download": "fetch",
    "validate": "check",
    "diagnose": "doctor",
    "man": "help",
}
"""What other programs call our verbs."""
_NO_SUCH_VERB = re.compile(r"No such command '(.*?)'")
_MIN_LIKENESS = 0.6
"""Of a typed word to a name that is suggested for it: difflib's own default, two slips in a word of five letters."""


def error_line(error: click.ClickException, root: click.Group, arguments: Sequence[str]) -> str:
    """The error as one line; `arguments` are the words of the command line."""
    context = getattr(error, "ctx", None)
    path, command = _called(root, arguments)
    if context is not None:
        path, command = context.command_path, context.command
    return f"{path}: {_problem(error, command, root, arguments)}; `{path} --help` shows the usage"


def nearest_verb(word: str, verbs: Iterable[str]) -> str:
    """The hint for a word that is not a verb, in brackets; "" if none is like it."""
    verbs = list(verbs)
    other = _OTHER_WORDS.get(word.lower(), "")
    return _meant(other if other in verbs else _nearest(word.lower(), verbs))


def _called(root: click.Group, arguments: Sequence[str]) -> tuple[str, click.Command]:
    """The command that the arguments name, and its path; click leaves it out of some errors."""
    command: click.Command = root
    path, context = "stagelog", click.Context(root)
    for word in arguments:
        if not isinstance(command, click.Group) or word.startswith("-"):
            continue
        if (inner := command.get_command(context, word)) is None:
            break
        path, command = f"{path} {word}", inner
    return path, command


def _problem(
    error: click.ClickException, command: click.Command, root: click.Group, arguments: Sequence[str]
) -> str:
    message = error.format_message().removesuffix(".")
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error.option_name, command, root, arguments)
    if (verb := _NO_SUCH_VERB.match(message)) is not None and isinstance(command, click.Group):
        known = command.list_commands(click.Context(command))
        return f'no such verb "{verb[1]}"{nearest_verb(verb[1], [*known, "help"])}'
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"missing {_missing(error.param)}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _bad_value(error, error.param, arguments)
    if isinstance(error, click.BadOptionUsage):
        return f"option {error.option_name} lacks its value"
    message = message.replace("Got unexpected extra argument", "unexpected argument")
    if message.startswith("unexpected argument") and _is_only_configured(command):
        message += " (name the configuration with -c FILE)"
    return " ".join(message.split())


def _is_only_configured(command: click.Command) -> bool:
    """Whether a verb takes no argument, but a configuration: `run stagelog.toml` lacks the -c."""
    is_option = [isinstance(parameter, click.Option) for parameter in command.params]
    return all(is_option) and any("-c" in parameter.opts for parameter in command.params)


def _no_such_option(name: str, command: click.Command, root: click.Group, arguments: Sequence[str]) -> str:
    """A long option typed with one hyphen is read as several short ones, the first of which is `name`."""
    clustered = next((word for word in arguments if re.match(rf"{re.escape(name)}\w", word)), None)
    typed = clustered.partition("=")[0] if clustered and not name.startswith("--") else name
    of_root, own = _options(root), _options(command)
    hint = _meant(_nearest(f"-{typed}" if clustered else typed, own))
    if command is not root and typed in of_root:
        hint = f" (it goes before the verb: stagelog {typed} ...)"
    elif command is root and (verb := next((word for word in arguments if not word.startswith("-")), "")):
        called = root.get_command(click.Context(root), verb)
        if called is not None and typed in _options(called):
            hint = f" (it goes after the verb: stagelog {verb} {typed} ...)"
    return f"no such option {typed}{hint}"


def _options(command: click.Command) -> list[str]:
    parameters = command.get_params(click.Context(command))
    return [
        name
        for parameter in parameters
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]


def _missing(parameter: click.Parameter) -> str:
    """An option or argument, with what it is for."""
    if not isinstance(parameter, click.Option):
        return parameter.make_metavar(click.Context(click.Command("")))
    what = (parameter.help or "").rstrip(".")
    if isinstance(parameter.type, click.Choice):
        what = f"one of {', '.join(parameter.type.choices)}"
    return f"{' / '.join(parameter.opts)} ({what[:1].lower()}{what[1:]})"


def _bad_value(error: click.BadParameter, parameter: click.Parameter, arguments: Sequence[str]) -> str:
    name = parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.human_readable_name
    typed = _typed(parameter, arguments)
    kind = parameter.type
    if isinstance(kind, click.Choice):
        choices = [str(choice) for choice in kind.choices]
        return f"{name} {typed}: not one of {', '.join(choices)}{_meant(_nearest(typed, choices))}"
    expected = _expected(kind)
    if expected:
        return f"{name} {typed}".rstrip() + f": not {expected}"
    return f"{name}: {' '.join(error.message.split()).removesuffix('.')}"


def _typed(parameter: click.Parameter, arguments: Sequence[str]) -> str:
    """The value as typed for an option; "" if it cannot be found again."""
    values = [
        following
        for word, following in zip(arguments, [*arguments[1:], ""], strict=True)
        if word in parameter.opts
    ]
    values += [
        value
        for name, sign, value in (word.partition("=") for word in arguments)
        if sign and name in parameter.opts
    ]
    return values[-1] if values else ""


def _expected(kind: click.ParamType[Any]) -> str:
    """The numbers that a parameter takes, as words; "" for one that takes no number."""
    if isinstance(kind, click.IntRange):
        return f"a whole number{_range(kind.min, kind.max)}"
    if isinstance(kind, click.FloatRange):
        return f"a number{_range(kind.min, kind.max)}"
    return {"integer": "a whole number", "float": "a number"}.get(kind.name, "")


def _range(minimum: float | None, maximum: float | None) -> str:
    if minimum is None and maximum is None:
        return ""
    if maximum is None:
        return f" of at least {minimum}"
    return f" of at most {maximum}" if minimum is None else f" from {minimum} to {maximum}"


def _nearest(word: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(names), n=1, cutoff=_MIN_LIKENESS)
    return found[0] if found else ""


def _meant(name: str) -> str:
    return f" (did you mean {name}?)" if name else ""
