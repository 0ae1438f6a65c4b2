"""Titles of channels: complete for what we decode ourselves, and fit for the files that carry them."""

from __future__ import annotations

from pathlib import Path

import pytest

import firmware_bridge.virtual
from firmware_bridge.engine import dbc
from firmware_bridge.engine.obd2_frames import PIDS
from firmware_bridge.engine.titles import DRIVE, ENGINE, ascii_unit, engine_title, unit_title

DEMO = Path(firmware_bridge.virtual.__file__).with_name("demo_engine.dbc")


def test_every_channel_of_ours_has_a_title() -> None:
    demo = {channel.name for channel in dbc.load(DEMO.read_text(), DEMO.name).channels}
    assert demo | {pid.channel.name for pid in PIDS.values()} <= ENGINE.keys()


def test_names_fit_into_the_fields_of_i2_and_are_unique() -> None:
    titles = [*ENGINE.values(), *DRIVE.values()]
    for title in titles:
        assert title.motec.isascii()
        assert 0 < len(title.motec) <= 31
        assert 0 < len(title.short) <= 7
    assert len({title.motec for title in titles}) == len(titles)
    assert len({title.title for title in ENGINE.values()}) == len(ENGINE)


def test_a_channel_of_another_dbc_keeps_its_key() -> None:
    assert engine_title("throttle_pct") == "Throttle"
    assert engine_title("VehSpd_Rr") == "VehSpd_Rr"


@pytest.mark.parametrize(
    ("unit", "people", "ascii_one"),
    [("1/min", "rpm", "rpm"), ("degC", "°C", "C"), ("°C", "°C", "C"), (" %", " %", "%"), ("°", "°", "deg")],
)  # fmt: skip
def test_units(unit: str, people: str, ascii_one: str) -> None:
    assert unit_title(unit) == people
    assert ascii_unit(unit) == ascii_one
