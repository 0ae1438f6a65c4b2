"""The crew's verbs: serve and watch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_compliance = click.option(
    "--compliance/--no-compliance",
    default=None,
    help="Hide position and heading while a timed section is driven, whatever [serve] says.",
)


@click.command(name="serve")
@click.option(
    "-c", "--config", "config_path", type=_PATH, required=True, help="The configuration, stagelog.toml."
)
@_compliance
def serve(config_path: Path, compliance: bool | None) -> None:
    """Serve the crew page until SIGTERM or Ctrl-C.

    The recorder may come and go meanwhile: the page says so, and heals. On an address that other machines can
    reach the page asks for the pin of [serve].
    """
    from logger.config import configuration  # noqa: PLC0415 - a verb imports what it runs
    from logger.crew import server  # noqa: PLC0415
    from logger.crew.copies import Copies  # noqa: PLC0415

    read = configuration.load(config_path)
    there = read.serve
    copies = Copies(read.log.directory, there.state, read.log.min_free_mb * 1_000_000)
    compliant = there.compliance if compliance is None else compliance
    asyncio.run(
        server.serve(there.host, there.port, there.pin, read.live.socket, copies, compliant=compliant)
    )


@click.command(name="watch")
@click.option("-c", "--config", "config_path", type=_PATH, help="The configuration, for the socket in it.")
@click.option("--socket", "live_socket", type=_PATH, help="The recorder's live socket.")
@click.option("--once", is_flag=True, help="Tell the state once; exit 69 when there is no recorder.")
@_compliance
def watch(config_path: Path | None, live_socket: Path | None, once: bool, compliance: bool | None) -> None:
    """Show the live state in this terminal, until Ctrl-C; into a pipe, a line a second."""
    from logger.config import configuration  # noqa: PLC0415
    from logger.crew import terminal  # noqa: PLC0415

    live, served = configuration.Live(), configuration.Serve()
    if config_path is not None:
        read = configuration.load(config_path)
        live, served = read.live, read.serve
    compliant = served.compliance if compliance is None else compliance
    asyncio.run(terminal.watch(live_socket or live.socket, once=once, compliant=compliant))
