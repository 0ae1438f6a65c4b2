"""Write the smallest `stagelog.toml` that a benchmark needs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_GPS = '[gps]\nport = "{port}"\nbaud = 115200\n'
_LIVE = '[live]\nsocket = "live.sock"\n'
_STAGE = '[stage]\nitinerary = "stage.toml"\n'
_SERVE = "[serve]\nport = 0\n"


class Bus(NamedTuple):
    """A CAN adapter. `dbc` is a file in the configuration's folder, "" for none."""

    name: str
    port: str
    protocol: str = "slcan"
    bitrate: int = 500_000
    dbc: str = ""

    @property
    def text(self) -> str:
        """The `[[can]]` table."""
        lines = [
            "[[can]]",
            f'name = "{self.name}"',
            f'port = "{self.port}"',
            f'protocol = "{self.protocol}"',
            "baud = 2000000",
            f"bitrate = {self.bitrate}",
            *([f'dbc = ["{self.dbc}"]'] if self.dbc else ()),
        ]
        return "\n".join(lines) + "\n"


def configure(
    folder: Path, *, gps: str = "", buses: tuple[Bus, ...] = (), itinerary: str = "", is_live: bool = False
) -> Path:
    """Write `stagelog.toml` and the itinerary. `is_live` adds the live socket and the crew server."""
    tables = ['[log]\ndirectory = "logs"\nmax_loss_s = 1.0\n']
    tables += [_GPS.format(port=gps)] if gps else []
    tables += [bus.text for bus in buses]
    if itinerary:
        (folder / "stage.toml").write_text(itinerary)
        tables.append(_STAGE)
    tables += [_LIVE, _SERVE] if is_live else []
    path = folder / "stagelog.toml"
    path.write_text("\n".join(tables))
    return path
