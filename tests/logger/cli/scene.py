"""A folder as a person has it after a first stage: logs, routes, tracks, configurations, and some damaged files."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from logger.config import configuration as configs
from tests.logger import drives
from tests.logger.command_line import ROOT

GPS = '[log]\ndirectory = "logs"\n[gps]\nport = "/dev/gps"\n'
CAN = '[log]\ndirectory = "logs"\n[[can]]\nname = "engine"\nport = "/dev/can"\nprotocol = "slcan"\n'
_TEXTS = {
    "stagelog.toml": GPS,
    "can7.toml": CAN.replace("/dev/can", "can7").replace("slcan", "socketcan"),
    "unknown_key.toml": GPS + "baudd = 9600\n",
    "unknown_table.toml": GPS + "[sarve]\nport = 8040\n",
    "protocol.toml": CAN.replace("slcan", "slcann"),
    "text_for_number.toml": GPS + 'baud = "9600"\n',
    "no_quotes.toml": "[gps]\nport = /dev/gps\n",
    "open_bracket.toml": "[gps\nport = 1\n",
    "colon.toml": "[gps]\nport: /dev/gps\n",
    "twice.toml": GPS + GPS,
    "tab.toml": '[gps]\n\tport = "/dev/gps\n',
    "host.toml": GPS + '[serve]\nhost = "0.0.0.0"\n',
    "low_port.toml": GPS + "[serve]\nport = 80\n",
    "no_dbc.toml": CAN + 'dbc = ["none.dbc"]\n',
    "bad_dbc.toml": CAN + 'dbc = ["bad.dbc"]\n',
    "secret_folder.toml": GPS.replace('"logs"', '"locked/logs"'),
    "bad.dbc": "BO_ nonsense\n",
    "stage.toml": drives.ITINERARY,
    "bad_stage.toml": drives.ITINERARY.replace("selective", "selectiv"),
    "bad_rules.toml": '[penalties]\nmodel = "bandet"\n',
    "penalties.toml": "[[decision]]\ncar = 71\nsecondz = 60\n",
    "results.csv": "car;time\n71;1:00\n",
    "text.txt": "no recording at all\n",
    "empty.toml": "",
}


def scene(folder: Path) -> Path:
    """Fill a new folder, and return it."""
    for name, text in _TEXTS.items():
        (folder / name).write_text(text)
    driven = drives.fixes(drives.plan(600), 1)
    log = drives.write_log(folder / "L.db", driven)
    shutil.copy(log, folder / "copy_of_L.db")
    drives.write_log(folder / "M.db", driven, configs.Car(72, "Second car", "Open"))
    drives.write_gpx(folder / "track.gpx", driven)
    drives.write_nmea(folder / "drive.nmea", driven)
    shutil.copy(ROOT / "tests/field_cases/routes/names-rallyblitz.gpx", folder / "route.gpx")
    (folder / "empty.db").write_bytes(b"")
    (folder / "empty.gpx").write_bytes(b"")
    (folder / "cut.db").write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    (folder / "noise.db").write_bytes(random.Random(1).randbytes(5000))
    with closing(sqlite3.connect(folder / "foreign.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    (folder / "logs").mkdir()
    (folder / "empty_folder").mkdir()
    shutil.copy(log, folder / "locked.db")
    (folder / "locked.db").chmod(0)
    (folder / "locked").mkdir(mode=0o500)
    for path in (folder, *folder.iterdir()):
        if not path.name.startswith("locked"):
            path.chmod(0o777 if path.is_dir() else 0o666)
    return folder
