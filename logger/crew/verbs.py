"""Command-line interface of the verbs serve and watch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from logger.boundary.options import PATH, json_option
from logger.config.discovery import choose, config_option, found

_compliance = click.option(
    "--compliance/--no-compliance",
    default=None,
    help="Hide position and heading during a timed section; overrides [serve] compliance.",
)


@click.command(name="serve")
@config_option
@click.option("--host", help="Address to serve on; overrides [serve] host.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="TCP port, 0 for any free; overrides [serve] port."
)
@_compliance
def serve(config_path: Path | None, host: str | None, port: int | None, compliance: bool | None) -> None:
    """Serve the crew page until SIGTERM or Ctrl-C.

    The recorder may stop and start meanwhile: the page shows it and reconnects. On an address that other machines
    can reach, the page asks for the pin set under [serve].
    """
    from logger.config import configuration  # noqa: PLC0415 - a verb imports what it runs
    from logger.crew import server  # noqa: PLC0415
    from logger.crew.copies import Copies  # noqa: PLC0415

    config = configuration.load(choose(config_path))
    settings = configuration.served_at(config, host, port)
    copies = Copies(config.log.directory, settings.state, config.log.min_free_mb * 1_000_000)
    compliant = settings.compliance if compliance is None else compliance
    asyncio.run(
        server.serve(
            settings.host, settings.port, settings.pin, config.live.socket, copies, compliant=compliant
        )
    )


@click.command(name="watch")
@config_option
@click.option("--socket", "live_socket", type=PATH, help="The recorder's live socket.")
@click.option("--once", is_flag=True, help="Print the state once; exit 69 if there is no recorder.")
@_compliance
@json_option
def watch(
    config_path: Path | None, live_socket: Path | None, once: bool, compliance: bool | None, as_json: bool
) -> None:
    """Show the live state in this terminal until Ctrl-C; print one line per second into a pipe, and with --json.

    The configuration names the recorder's live socket; without one, it is that of the installed services. With
    --socket, a configuration is read only if -c gives it.
    """
    from logger.config import configuration  # noqa: PLC0415
    from logger.crew import terminal  # noqa: PLC0415

    live, served = configuration.Live(), configuration.Serve()
    path = config_path if live_socket else found(config_path, quiet=as_json)
    if path is not None:
        config = configuration.load(path)
        live, served = config.live, config.serve
    compliant = served.compliance if compliance is None else compliance
    asyncio.run(terminal.watch(live_socket or live.socket, once=once, compliant=compliant, as_json=as_json))
