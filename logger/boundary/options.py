"""Types and options that many verbs share."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path, readable=False)
"""The path of a file or folder. Its reader reports one that cannot be read, with a hint; click would not say how."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
"""The option of every verb that lists or judges; logger/cli/README.md describes the documents."""
section_option = click.option(
    "--section", type=click.IntRange(1), help="Only this section of the itinerary, counted from 1."
)
