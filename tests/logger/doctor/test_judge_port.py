"""The doctor's verdicts on ports: observations in, findings out, both sides of every threshold."""

from __future__ import annotations

import pytest

from firmware_bridge.records import Notice
from logger.doctor import judge_port
from logger.doctor.port_observation import PortObservation
from tests.logger.doctor.judging import assert_findings, heard

NEIGHBOURS = {"nmea": "gps", "slcan": "engine"}


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (heard(good=500), "ok", "slcan, 115200 baud, 100 frames/s, none damaged"),
        (heard("nmea", good=50), "ok", "NMEA, 115200 baud, 10 sentences/s"),
        (heard(good=500, bad=1), "ok", "none damaged"),  # the first is cut
        (heard(good=500, bad=1, by_recorder=True), "note", "1 damaged"),
        (heard(good=990, bad=11), "note", "10 damaged"),  # just 1 %
        (heard(good=980, bad=21), "wrong", "2.0% of them damaged; check plug, ground"),
        (heard(state="missing", detail="/dev/x: no such device; plug it in"), "wrong", "no such device; plug it in"),
        (heard(state="denied", group="plugdev"), "wrong", "usermod -aG plugdev"),
        (heard(state="denied"), "wrong", "dialout"),
        (heard(state="busy"), "wrong", "in use by another program"),
        (heard(state="lost", detail="hung up; it comes back"), "wrong", "hung up"),
        (heard(state="opening", detail="/dev/x"), "note", "was not open within 5 s; use a larger --seconds"),
        (heard(bad=50, speaks=("slcan", 1_000_000)), "wrong", 'at 1000000 baud, not at the configured rate; set baud'),
        (heard(speaks=("nmea", 9600)), "wrong", "speaks NMEA (at 9600 baud), not slcan: the cables of engine and gps"),
        (heard(speaks=("gvret", 1_000_000)), "wrong", 'set protocol = "gvret"'),
        (heard("nmea", speaks=("slcan", 115200)), "wrong", "cables of gps and engine are swapped"),
        (
            heard(protocol="nmea", detail="38400 baud", good=3, bytes=10_000, foreign_bytes=9_200),
            "ok",
            "NMEA holds, 92 % of the bytes are another protocol",
        ),
        (heard(protocol="nmea", foreign_bytes=900, bytes=900), "wrong", "no NMEA"),
        (heard(state="wrong_baud", detail="no frame holds at 9600 baud: try auto", bad=9), "wrong", "try auto"),
        (heard(bad=20), "wrong", "no slcan"),
        (heard("nmea"), "wrong", "silent for 5 s; check the receiver's power"),
        (heard(), "wrong", "the adapter answers nothing"),
        (heard(tried_bitrates=(1, 2)), "wrong", "at 3 bit rates"),
        (heard(has_answered=True), "note", "the adapter answers, but no frame came"),
        (heard(bitrate=250_000), "note", "the adapter answers, but no frame came"),
        (heard(by_recorder=True), "wrong", "silent for 5 s; switch the ignition on"),
        (heard(by_recorder=True), "wrong", "and the doctor tries others"),
        (heard("gvret", by_recorder=True), "wrong", "the wires of the bus"),
        (heard(state="silent", by_recorder=True, notices=(Notice(0, "bus_error", {}),)), "note", "no frame came"),
        (heard("gvret"), "wrong", "ignition"),
        (heard("gvret", is_polled=True), "note", "the doctor does not poll the engine; start the recorder"),
        (heard("gvret", is_polled=True, by_recorder=True), "wrong", "ignition"),
        (heard(is_polled=True), "wrong", "the adapter answers nothing"),
    ],
)  # fmt: skip
def test_each_state_of_a_port_has_its_verdict(facts: PortObservation, verdict: str, words: str) -> None:
    others = {protocol: name for protocol, name in NEIGHBOURS.items() if name != facts.name}
    assert_findings(judge_port.judge(facts, others), (verdict, words))


@pytest.mark.parametrize(
    ("state", "detail", "words"),
    [
        (
            "missing",
            "gpsd://pi: no gpsd answers there; start it",
            "gpsd://pi: no gpsd answers there; start it",
        ),
        ("denied", "gpsd://pi: the recorder may not use the network; --with gpsd", "network; --with gpsd"),
        ("silent", "gpsd has no receiver: plug it in", "gpsd has no receiver; plug it in"),
        ("open", "", "gpsd runs, but sends nothing for 5 s; see what it receives with `gpspipe -r`"),
    ],
)
def test_the_message_of_gpsd_is_shown(state: str, detail: str, words: str) -> None:
    port = PortObservation("gps", "gpsd://pi", "nmea", state, detail, seconds=5.0)
    assert_findings(judge_port.judge(port, {}), ("wrong", words))


def test_a_device_of_the_other_kind_is_named() -> None:
    assert_findings(
        judge_port.judge(heard(speaks=("nmea", 4800)), {}),
        ("wrong", "that is a GPS receiver: correct `port`"),
    )
    adapter = heard("nmea", speaks=("canserial", 115_200))
    assert_findings(
        judge_port.judge(adapter, {}), ("wrong", "not NMEA; that is a CAN adapter: correct `port`")
    )
