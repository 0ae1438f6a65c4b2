"""The option `--json` of every verb that lists or judges; logger/cli/README.md describes the documents."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
