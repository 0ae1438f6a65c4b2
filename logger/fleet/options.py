"""Options that several commands of the fleet share."""

from __future__ import annotations

import click

store_option = click.option(
    "--store",
    "url",
    required=True,
    help="Store of the fleet's data: a folder, or an fsspec URL such as s3://bucket/rally.",
)
