"""The doctor's verdicts on buses and DBC files, as tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, Notice
from logger.doctor import judge_bus
from logger.doctor.port_observation import PortObservation
from tests.logger.doctor.judging import assert_findings, heard, texts

WIRING = judge_bus.Wiring(500_000, listen_only=True, preset=None)
FRAMES = Counter({(0x100, 8): 400, (0x200, 8): 100})


def notice(kind: str, **detail: Any) -> Notice:
    return Notice(0, kind, detail)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (heard(good=500, frames=FRAMES), [("ok", "100 frames/s of 2 identifiers")]),
        (
            heard(good=500, frames=FRAMES, notices=(notice("bus_state", state="passive"),)),
            [("wrong", "bus errors (bus passive); check the two wires")],
        ),
        (heard(good=500, frames=FRAMES, notices=(notice("bus_state", state="active"),)), [("ok", "")]),
        (
            heard(has_answered=True, bitrate=250_000),
            [("wrong", "frames at 250000 bit/s; set bitrate = 250000")],
        ),
        (
            heard(notices=(notice("bus_error", errors=["stuff", "stuff", "crc"]),)),
            [("wrong", "bus errors (stuff error, crc error); correct `bitrate` first")],
        ),
        (
            heard(notices=(notice("adapter_status", flags=["bus_error", "rx_full"]),)),
            [("wrong", "no frame at 500000 bit/s, but bus errors (bus error)")],
        ),
        (heard(frames=Counter({(ERR_FLAG | 1, 8): 9}), good=9), [("wrong", "error frames")]),
        (
            heard(state="silent", by_recorder=True, notices=(notice("bus_error"),)),
            [
                (
                    "wrong",
                    "; a wrong bit rate is silent too: `sudo systemctl stop stagelog-recorder`, and the d",
                )
            ],
        ),
        (
            heard(has_answered=True, tried_bitrates=(250_000, 125_000)),
            [
                (
                    "wrong",
                    "the adapter answers, but no frame came in 5 s at 500000 bit/s nor at 250000, 125000 bit/s",
                )
            ],
        ),
        (heard(good=500, frames=FRAMES, frames_s=2.0), [("ok", "250 frames/s of 2 identifiers")]),
        (heard(good=500, frames=None), [("note", "frames arrive; their identifiers are not known")]),
        (heard(), []),  # silent: the port's finding reports it
        (heard(bad=50, speaks=("nmea", 9600)), []),
        (heard(state="missing"), []),
    ],
)
def test_each_state_of_a_bus_has_its_verdict(facts: PortObservation, expected: list[tuple[str, str]]) -> None:
    assert_findings(judge_bus.judge(facts, WIRING), *expected)


def test_a_silent_obd_socket_has_its_own_hint() -> None:
    wiring = WIRING._replace(preset="obd2")
    assert_findings(
        judge_bus.judge(heard(has_answered=True), wiring),
        ("wrong", "set poll = true and listen_only = false"),
    )


def test_an_engine_that_answers_only_requests_is_left_to_the_recorder() -> None:
    wiring = judge_bus.Wiring(500_000, listen_only=False, preset="obd2")
    alone = heard(has_answered=True, is_polled=True)
    assert_findings(
        judge_bus.judge(alone, wiring), ("note", "the doctor does not poll the engine; start the recorder")
    )
    beside = heard(by_recorder=True, is_polled=True, notices=(notice("adapter_status"),))
    assert_findings(judge_bus.judge(beside, wiring), ("wrong", "switch the ignition on; check"))
    found = heard(has_answered=True, is_polled=True, bitrate=250_000)
    assert_findings(judge_bus.judge(found, wiring), ("wrong", "set bitrate = 250000"))


DBC = [
    judge_bus.Message(0x100, "ENGINE", 8),
    judge_bus.Message(0x200, "BRAKES", 4),
    judge_bus.Message(0x300, "DOORS", 2),
]


@pytest.mark.parametrize(
    ("messages", "frames", "expected"),
    [
        (DBC[:2], FRAMES, [("ok", "all of its 2 messages")]),
        (DBC, FRAMES, [("note", "2 of its 3 messages seen; not within 5 s: DOORS (0x300)")]),
        (DBC, {}, []),  # a silent bus proves nothing about the file
        (DBC[2:], FRAMES, [("wrong", "none of its 1 messages is on the bus; it is for another car")]),
        ([judge_bus.Message(0x100 | EFF_FLAG, "E", 8)], FRAMES, [("wrong", "in the other format")]),
        (DBC[:1], {(0x100, 6): 3, (0x100, 8): 9}, [("wrong", "ENGINE (0x100) has 6 bytes on the bus, 8"), ("ok", "")]),
        (DBC[1:2], {(0x200, 8): 3}, [("ok", "")]),  # longer is well: signals are whole
        ([], {(0x100, 8): 1}, [("wrong", "none of its 0 messages")]),
    ],
)  # fmt: skip
def test_dbc_files_are_compared_with_the_bus(
    messages: list[judge_bus.Message], frames: dict[tuple[int, int], int], expected: list[tuple[str, str]]
) -> None:
    assert_findings(judge_bus.judge_dbc("engine.dbc", messages, frames, 5.0), *expected)


def test_unknown_identifiers_are_listed() -> None:
    frames = {(0x100, 8): 1, (0x18FEF100 | EFF_FLAG, 8): 1, (ERR_FLAG | 4, 8): 1}
    found = judge_bus.judge_unknown("engine", frames, {0x100})
    assert_findings(found, ("note", "1 identifiers without a decoder: 0x18FEF100"))
    assert texts(judge_bus.judge_unknown("engine", frames, set())) == [], "no DBC file was given"
