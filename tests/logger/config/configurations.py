"""Texts of `stagelog.toml` for the tests, and their parsed form."""

from __future__ import annotations

from pathlib import Path

import pytest

from logger.config.configuration import (
    Config,
    loads,
)
from logger.tomlconfig.schema import TomlError

WHOLE = """\
[car]
number = 500
name = "Defender"
class = "Stock"
crew = ["driver", "navigator"]
[log]
directory = "/var/lib/stagelog"
max_loss_s = 0.5
min_free_mb = 256
[gps]
port = "/dev/stagelog-gps"
baud = 115200
init = ["$PMTK220,100*2F", "$PUBX,40,GSV,0,0,0,0"]
[[can]]
name = "engine"
port = "socket://127.0.0.1:7000"
protocol = "slcan"
baud = 2000000
bitrate = 500000
listen_only = false
poll = true
dbc = ["engine.dbc", "/etc/chassis.dbc"]
preset = "obd2"
[[can]]
name = "chassis"
port = "ttys/can1"
protocol = "gvret"
[stage]
itinerary = "stages/stage.toml"
[live]
socket = "/run/stagelog/live.sock"
rate_hz = 20
[serve]
host = "0.0.0.0"
port = 8041
pin = "s3cr3t"
[[alarm]]
name = "alternator"
when = "battery_v < 13.0"
while = "rpm > 1000"
for_s = 10
level = "critical"
"""
GPS = '[gps]\nport = "/dev/gps"\n'
ALARM = '[[alarm]]\nname = "a"\nwhen = "speed_kmh > 1"\n'
CAN = '[[can]]\nname = "engine"\nport = "/dev/can"\nprotocol = "slcan"\n'


def read(text: str) -> Config:
    return loads(text, "stagelog.toml", Path("/etc/stagelog"))


def problems(text: str) -> list[str]:
    with pytest.raises(TomlError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


INTERFACE = '[[can]]\nname = "engine"\nport = "can0"\nprotocol = "socketcan"\n'
