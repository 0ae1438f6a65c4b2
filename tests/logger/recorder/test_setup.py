"""The recorder's setup from a configuration; every file error is raised before a port is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_bridge.engine.obd2_poller import Poller
from firmware_bridge.errors import ConfigurationError
from logger.config import configuration as configs
from logger.config import input_files
from logger.recorder import dbc_files, setup

STAGE = (
    '[stage]\nevent = "Dakar"\nnumber = 11\nname = "A - B"\n'
    '[[section]]\nkind = "liaison"\nname = "L"\nlength_km = 3.0\n'
)
DBC = 'VERSION ""\nBO_ 256 ENGINE: 8 ECU\n SG_ RPM : 0|16@1+ (0.25,0) [0|16000] "rpm" ECU\n'
BUSES = """
[[can]]
name = "engine"
port = "can0"
protocol = "slcan"
bitrate = 500000
listen_only = false
poll = true
preset = "obd2"
dbc = ["engine.dbc"]

[[can]]
name = "chassis"
port = "socket://box:3000"
protocol = "gvret"
"""


def written(folder: Path, text: str, **files: str | bytes) -> configs.Config:
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "stagelog.toml").write_text(text)
    return configs.load(folder / "stagelog.toml")


def test_ports_buses_and_meta(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        '[car]\nnumber = 500\n[gps]\nport = "gps"\ninit = ["$PMTK220,100*2F"]\n[stage]\nitinerary = "stage.toml"\n'
        + BUSES,
        engine_dbc=DBC,
        stage_toml=STAGE,
    )
    made = setup.prepare(config)
    assert [(plan.name, plan.protocol.name) for plan in made.ports] == [
        ("gps", "nmea"),
        ("engine", "slcan"),
        ("chassis", "gvret"),
    ]
    gps, engine, chassis = made.ports
    assert gps.init == ("$PMTK220,100*2F",)
    assert isinstance(engine.poller, Poller)
    assert not engine.bus.listen_only
    assert chassis.bus.listen_only
    assert chassis.poller is None
    assert chassis.url == "socket://box:3000"
    assert made.log_stem == "dakar-11-car-500"
    assert json.loads(made.meta["buses"]) == {"0": "engine", "16": "chassis"}
    assert made.meta["dbc:engine.dbc"] == DBC
    assert made.meta["itinerary"] == STAGE
    made.pipeline.feed("chassis", 1, bytes.fromhex("f100 00000000 23010000 31 00 00".replace(" ", "")))
    made.pipeline.feed("engine", 1, b"t1000\r")
    assert [row.bus for row in made.pipeline.take().frame] == [16 + 3, 0]


def test_without_a_stage_the_log_is_a_drive(tmp_path: Path) -> None:
    made = setup.prepare(written(tmp_path, '[gps]\nport = "gps"\n'))
    assert made.log_stem == "drive"
    assert "itinerary" not in made.meta
    assert "stage" not in made.meta


def test_problems_lists_those_of_every_file(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        '[stage]\nitinerary = "stage.toml"\n'
        + BUSES.replace('["engine.dbc"]', '["none.dbc", "engine.dbc", "bad.dbc"]'),
        engine_dbc=DBC,
        bad_dbc="nonsense",
        stage_toml=STAGE.replace("liaison", "liason").replace("3.0", "-3.0"),
    )
    found = [str(problem) for problem in setup.problems(config)]
    assert len(found) == 4, found
    for words, problem in zip(
        ("none.dbc: cannot be read", "bad.dbc:1", "liason", "-3.0"), found, strict=True
    ):
        assert words in problem
    with pytest.raises(ConfigurationError, match="liason"):
        setup.prepare(config)


def test_a_missing_file_is_reported_at_its_key(tmp_path: Path) -> None:
    text = '[stage]\nitinerary = "stage.toml"\nrules = "rules.toml"\n' + BUSES.replace(
        '["engine.dbc"]', '[\n  "engine.dbc",\n  "none.dbc",\n]'
    )
    config = written(tmp_path, text, engine_dbc=DBC, stage_toml=STAGE)
    file = tmp_path / "stagelog.toml"
    places = [(f"{file}:15", "can[0].dbc[1]", "none.dbc"), (f"{file}:3", "stage.rules", "rules.toml")]
    for problem, (where, key, name) in zip(setup.problems(config), places, strict=True):
        assert problem.where == where
        assert problem.what == f"{key}: {tmp_path / name}: cannot be read: No such file or directory"
        assert problem.hint == "check its name"
    with pytest.raises(ConfigurationError, match=r"rules\.toml") as caught:
        setup.prepare(config)
    assert caught.value.where == f"{file}:3"


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"PK\x03\x04" + bytes(range(256)),
        b"\0" * 8_000_001,
        DBC.replace("0.25,0", "0,25,0").encode(),
    ],
    ids=["missing", "empty", "binary", "huge", "a line"],
)
def test_no_dbc_stops_the_recorder(tmp_path: Path, content: bytes | None) -> None:
    """The rest is recorded, decoded and monitored; the log, the page and `check` list what is left out."""
    other = DBC.replace("256 ENGINE", "257 OTHER").replace("RPM", "OIL")
    alarms = '[[alarm]]\nname = "a"\nwhen = "RPM > 1"\n[[alarm]]\nname = "b"\nwhen = "OIL > 1"\n'
    files = {"other_dbc": other} | ({} if content is None else {"engine_dbc": content})
    text = BUSES.replace('["engine.dbc"]', '["engine.dbc", "other.dbc"]').replace('preset = "obd2"', "")
    config = written(tmp_path, text.replace("poll = true", "poll = false") + alarms, **files)
    made = setup.prepare(config)
    events = made.pipeline.take().event
    assert [(event.kind, event.detail.get("file")) for event in events if event.kind != "alarm_quiet"] == [
        ("dbc_left_out", "engine.dbc")
    ]
    assert [event.kind for event in events].count("alarm_quiet") == 1
    made.pipeline.feed("engine", 1, b"t1018A00F5AFF00000000\r")
    made.pipeline.advance(1_000_000)
    rows = made.pipeline.take()
    assert (len(rows.frame), [reading.value for reading in rows.reading]) == (1, [1000.0])
    assert "dbc" in {event.detail.get("name") for event in rows.event if event.kind.startswith("alarm")}
    found = [str(problem) for problem in setup.problems(config)]
    assert len(found) == 2
    assert "engine.dbc" in found[0]
    assert "alarm[0].when" in found[1]


def test_two_dbc_files_of_one_name_do_not_stop_the_recorder(tmp_path: Path) -> None:
    """The second is left out; the same file in another spelling is read once, and a missing one does not count."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "engine.dbc").write_text(DBC.replace("RPM", "OIL"))
    for names, channels, count in (
        ('"engine.dbc", "a/engine.dbc"', {"RPM"}, 1),
        ('"engine.dbc", "a/../engine.dbc"', {"RPM"}, 0),
        ('"b/engine.dbc", "a/engine.dbc"', {"OIL"}, 1),
    ):
        config = written(tmp_path, BUSES.replace('"engine.dbc"', names), engine_dbc=DBC)
        found = dbc_files.read_all(config)
        assert {channel.name for decoder in found.decoders for channel in decoder.channels} == channels
        assert len(found.problems) == len(setup.problems(config)) == found.left_out == count
    assert "can[0].dbc[0]: " in found.problems[0].what


def test_an_alarm_may_use_one_node_of_several(tmp_path: Path) -> None:
    j1939 = DBC.replace("256 ENGINE", "2364540158 EEC1")
    alarm = '[[alarm]]\nname = "a"\nwhen = "RPM@0x31 > 1"\n'
    assert setup.problems(written(tmp_path, BUSES + alarm, engine_dbc=j1939)) == []
    (problem,) = setup.problems(written(tmp_path, BUSES + alarm.replace("RPM", "RMP"), engine_dbc=j1939))
    assert "RMP@0x31" in problem.what


def test_a_good_configuration_has_no_problems(tmp_path: Path) -> None:
    config = written(
        tmp_path, '[stage]\nitinerary = "stage.toml"\n' + BUSES, engine_dbc=DBC, stage_toml=STAGE
    )
    assert setup.problems(config) == []


def test_texts_are_utf8_and_dbc_files_in_their_own_code_page(tmp_path: Path) -> None:
    latin = DBC.replace('"rpm"', '"\xb0C"').encode("latin-1")
    config = written(tmp_path, BUSES, engine_dbc=latin)
    assert "\xb0C" in setup.prepare(config).meta["dbc:engine.dbc"]
    (tmp_path / "stage.toml").write_bytes(b'[stage]\nname = "M\xfcller"\n')
    with pytest.raises(ConfigurationError, match="not UTF-8 text") as caught:
        input_files.read_text(tmp_path / "stage.toml")
    assert caught.value.where == f"{tmp_path / 'stage.toml'}:2"


def test_an_alarm_uses_channels_of_the_dbc_files_and_presets(tmp_path: Path) -> None:
    alarms = "".join(
        f'[[alarm]]\nname = "{number}"\nwhen = "{when}"\nwhile = "{also}"\n'
        for number, (when, also) in enumerate([("RPM > 1", "coolant_c > 90"), ("RMP > 1", "over_kmhh > 0")])
    )
    text = f'[can]\nname = "e"\nport = "can0"\nprotocol = "slcan"\npreset = "obd2"\ndbc = ["engine.dbc"]\n{alarms}'
    config = written(tmp_path, text.replace("[can]", "[[can]]", 1), engine_dbc=DBC)
    found = [str(problem) for problem in setup.problems(config)]
    file = tmp_path / "stagelog.toml"
    assert [problem.split(": ")[:2] for problem in found] == [
        [f"{file}:13", "alarm[1].when"],
        [f"{file}:14", "alarm[1].while"],
    ]
    assert 'did you mean "RPM"?' in found[0]
    assert 'did you mean "over_kmh"?' in found[1]
    with pytest.raises(ConfigurationError, match="RMP"):
        setup.prepare(config)
