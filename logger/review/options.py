"""Options of the verbs that judge, in this room and in `fleet`."""

from __future__ import annotations

from collections.abc import Callable

import click

from logger.boundary.options import PATH

EXIT_PENALTY = 3
"""A penalty was found, and `--fail-on-penalty` asks for it; a problem with the evidence has its own code."""

fail_on_penalty_option = click.option(
    "--fail-on-penalty", is_flag=True, help="Exit with 3 if there is a penalty, for scripts."
)
rules_option = click.option(
    "--rules", help="A rules file, or a penalty model: banded, rallysafe, rallycheck, overtime."
)
_results = click.option(
    "--results",
    type=PATH,
    multiple=True,
    help="TOML or CSV file with results of earlier stages or of cars without a log.",
)
_penalties = click.option("--penalties", type=PATH, help="TOML file with the stewards' decisions.")
_imposed_only = click.option("--imposed-only", is_flag=True, help="Leave out provisional penalties.")


def class_table_options(command: Callable[..., int]) -> Callable[..., int]:
    """`--results`, `--penalties` and `--imposed-only`: what class tables count beside the logs."""
    return _results(_penalties(_imposed_only(command)))
