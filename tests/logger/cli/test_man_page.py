"""The man page: current, without a warning of groff, and with every verb and option."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from logger.cli.main import VERBS, cli
from logger.cli.man_page import PAGE, made_with, page

WIDTH = 80


def options(command: click.Command, path: str, context: click.Context) -> Iterator[tuple[str, str]]:
    """Every verb's path with each of its options, groups included."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from ((path, name) for name in parameter.opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options(inner, f"{path} {name}", context)


def shown() -> str:
    """The page as a terminal of 80 columns shows it."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-P-cbou", "-Tascii", f"-rLL={WIDTH}n", PAGE],
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode()


def test_it_is_current() -> None:
    """`python -m logger.cli.man_page` writes it after a change of any verb's help."""
    written = PAGE.read_text(encoding="utf-8")
    if not written.startswith(made_with()):
        pytest.skip("another version of click describes values in other words")
    assert written == page(), "run `python -m logger.cli.man_page`"


def test_groff_warns_of_nothing_and_every_line_fits() -> None:
    lines = shown().splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if "\\" in line] == [], "an escape that groff does not know"


def test_every_verb_and_every_option_is_there() -> None:
    text = shown()
    for name in VERBS:
        assert f"stagelog {name}" in text
    context = click.Context(cli, info_name="stagelog")
    missing = [(path, name) for path, name in options(cli, "stagelog", context) if name not in text]
    assert missing == []


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_it() -> None:
    done = subprocess.run(
        ["man", "-l", PAGE],
        env={**os.environ, "LC_ALL": "C", "MANPAGER": "cat", "MANWIDTH": str(WIDTH)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("STAGELOG(1)")
