"""The doctor's verdicts as tables: observations in, findings out, both sides of every threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, Fix, Notice
from logger.doctor import judge_bus, judge_gps, judge_machine, judge_port, judge_storage
from logger.doctor.findings import Finding
from logger.doctor.judge_storage import Card, LogInventory
from logger.doctor.port_observation import PortObservation

NEIGHBOURS = {"nmea": "gps", "slcan": "engine"}


def heard(
    protocol: str = "slcan", state: str = "open", detail: str = "115200 baud", **more: Any
) -> PortObservation:
    name = "gps" if protocol == "nmea" else "engine"
    return PortObservation(name, "/dev/ttyUSB0", protocol, state, detail, **{"seconds": 5.0, **more})


def texts(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Each finding's verdict, and its message with hint."""
    return [(finding.verdict, f"{finding.what}; {finding.hint}") for finding in findings]


def assert_findings(findings: Iterable[Finding], *expected: tuple[str, str]) -> None:
    """The findings have the expected verdicts and texts, in order."""
    found = texts(findings)
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in expected], found
    for (_, text), (_, words) in zip(found, expected, strict=True):
        assert words in text, found


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


def fix(
    t_s: float = 0.0, quality: int = 1, satellites: int | None = 12, hdop: float | None = 0.8, **more: Any
) -> Fix:
    located = Fix(
        int(t_s * 1e6),
        1_768_460_400_000_000,
        20.0,
        42.0,
        600.0,
        10.0,
        90.0,
        quality,
        satellites,
        hdop,
        **more,
    )
    return (
        located
        if quality
        else located._replace(lat=None, lon=None, alt_m=None, speed_mps=None, course_deg=None)
    )


def gps(*fixes: Fix, good: int = 50) -> PortObservation:
    return heard("nmea", good=good, fixes=fixes)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (gps(*[fix()] * 50), [("ok", "position, 12 satellites, hdop 0.8"), ("ok", "10.0 fixes/s")]),
        (gps(*[fix(satellites=5)] * 50), [("wrong", "5 satellites, hdop 0.8: poor; give the antenna"), ("ok", "10.0")]),
        (gps(*[fix(satellites=6, hdop=2.5)] * 50), [("ok", "6 satellites"), ("ok", "")]),
        (gps(*[fix(hdop=2.6)] * 50), [("wrong", "poor"), ("ok", "")]),
        (gps(*[fix(satellites=None, hdop=None)] * 50), [("ok", "position"), ("ok", "")]),
        (gps(*[fix()] * 25, *[fix(quality=0)] * 25), [("wrong", "only in 50% of the fixes"), ("ok", "")]),
        (gps(*[fix()] * 5), [("ok", ""), ("note", '1.0 fixes/s; set a higher rate')]),
        (gps(*[fix(quality=0, satellites=3)] * 5), [("wrong", "no position yet (3 satellites in use); give")]),
        (gps(*[fix(quality=0, satellites=0)] * 5), [("wrong", "no satellite in use")]),
        (gps(), [("wrong", "they make no fix; make the receiver send RMC and GGA")]),
        (gps(good=0), []),
        (heard("nmea", good=50, fixes=None), [("note", "sentences arrive; their fixes are not known")]),
        # ten per second, of which a third reached the log in the five seconds of listening
        (gps(*[fix(n / 10) for n in range(17)]), [("ok", ""), ("ok", "10.0 fixes/s")]),
        (gps(*[fix(float(n)) for n in range(10)]), [("ok", ""), ("note", "1.0 fixes/s")]),
        (gps(*[fix(date_ok=False)] * 50), [("ok", ""), ("ok", ""), ("wrong", "week rollover")]),
    ],
)  # fmt: skip
def test_each_quality_of_fixes_has_its_verdict(
    facts: PortObservation, expected: list[tuple[str, str]]
) -> None:
    assert_findings(judge_gps.judge(facts), *expected)


@pytest.mark.parametrize(
    ("offset_s", "verdict", "words"),
    [
        (None, "note", "no GPS time"),
        (1.9, "ok", "agrees with GPS to 1.9 s"),
        (-2.1, "note", "2 s behind GPS"),
        (-1.76e9, "note", "56 years behind GPS"),
        (7200.0, "note", "2 hours ahead of GPS"),
    ],
)
def test_a_wrong_clock_is_never_an_error(offset_s: float | None, verdict: str, words: str) -> None:
    finding = judge_gps.judge_clock(offset_s, has_rtc=False)
    assert (finding.verdict, words in finding.what) == (verdict, True), finding
    assert "no battery clock" in finding.what


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


@pytest.mark.parametrize(
    ("disk", "verdicts", "words"),
    [
        ({"free_mb": 512}, ["ok"], "512 of 32000 MB free, room for about 20 h"),
        ({"free_mb": 511}, ["wrong"], "512 MB must be free; fetch the logs"),
        ({"exists": False}, ["wrong"], "no such directory"),
        ({"free_mb": 900, "is_read_only": True}, ["wrong", "ok"], "read-only"),
        ({"free_mb": 900, "can_write": False, "user": "stagelog"}, ["wrong", "ok"], "chown stagelog /logs"),
        ({"free_mb": 900, "kind": "tmpfs"}, ["wrong", "ok"], "lost when the power is cut"),
        ({"free_mb": 900, "is_root": True, "kind": "ext4"}, ["note", "ok"], "on the system's own partition"),
    ],
)
def test_each_state_of_a_disk_has_its_verdict(disk: dict[str, Any], verdicts: list[str], words: str) -> None:
    found = texts(
        judge_storage.judge_disk(judge_storage.Disk("/logs", **{"size_mb": 32_000, **disk}), 512, 20.0)
    )
    assert [verdict for verdict, _ in found] == verdicts
    assert words in found[0][1]


@pytest.mark.parametrize(
    ("card", "verdict", "words"),
    [
        (Card("mmcblk0", "MMC", "AJTD4R", "08/2023", (1, 1), 1), "ok", "MMC AJTD4R of 08/2023: 0 to 10 %"),
        (Card("mmcblk0", "MMC", life=(8, 2), pre_eol=1), "ok", "70 to 80 %"),
        (Card("mmcblk0", "MMC", life=(2, 9), pre_eol=1), "wrong", "80 to 90 % of its life used; change it"),
        (Card("mmcblk0", "MMC", life=(11, 1), pre_eol=3), "wrong", "beyond its life, 90 % of its reserve"),
        (Card("mmcblk0", "SD", "SC64G", "01/2024"), "note", "this kind does not report its health"),
        (Card(), "note", "cannot be read"),
    ],
)  # fmt: skip
def test_each_state_of_a_card_has_its_verdict(card: judge_storage.Card, verdict: str, words: str) -> None:
    first, *_ = texts(judge_storage.judge_card(card))
    assert first[0] == verdict
    assert words in first[1]


@pytest.mark.parametrize(
    ("errors", "verdict"), [(None, "note"), ((), "ok"), (("mmc0: error -110",), "wrong")]
)
def test_kernel_messages_about_the_card_are_reported(errors: tuple[str, ...] | None, verdict: str) -> None:
    assert [finding.verdict for finding in judge_storage.judge_card(Card(kernel_errors=errors))][1:] == [
        verdict
    ]


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (LogInventory(), [("note", "none yet")]),
        (LogInventory(3, "a-003.db", cut_short=2), [("ok", "is whole, 2 of its sessions ended by a power cut")]),
        (LogInventory(3, "a-003.db", ("damaged: page 7",)), [("wrong", "a-003.db: damaged: page 7")]),
        (LogInventory(3, "a-003.db", None), [("note", "too large to check now")]),
        (LogInventory(1, "a", quarantined=("a.damaged-1",)), [("ok", ""), ("wrong", "1 quarantined as damaged")]),
        (LogInventory(1, "a", longest_wal=("a.db", 64 << 20)), [("ok", "")]),
        (LogInventory(1, "a", longest_wal=("a.db", (64 << 20) + 1)), [("ok", ""), ("wrong", "not checkpointed")]),
        (LogInventory(1, "a", not_fetched_mb=900), [("ok", ""), ("note", "900 MB are not yet downloaded")]),
    ],
)  # fmt: skip
def test_each_state_of_the_log_directory_has_its_verdict(
    inventory: judge_storage.LogInventory, expected: list[tuple[str, str]]
) -> None:
    assert_findings(judge_storage.judge_logs(inventory), *expected)


@pytest.mark.parametrize(
    ("power", "verdict", "words"),
    [
        (judge_machine.Power(), "note", "does not report its supply"),
        (judge_machine.Power(throttled=0), "ok", "has been good"),
        (
            judge_machine.Power(throttled=0x5_0005),
            "wrong",
            "now: under-voltage, throttled; a supply of 5.1 V",
        ),
        (
            judge_machine.Power(throttled=0x5_0000),
            "wrong",
            "since the start: under-voltage, throttled; a supply",
        ),
        (judge_machine.Power(throttled=0x8), "wrong", "now: close to its temperature limit; cool it"),
        (judge_machine.Power(is_low=True), "wrong", "too low; a supply"),
        (judge_machine.Power(is_low=False), "ok", "good"),
    ],
)
def test_each_state_of_the_power_supply_has_its_verdict(
    power: judge_machine.Power, verdict: str, words: str
) -> None:
    assert_findings(judge_machine.judge_power(power), (verdict, words))


RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "NRestarts": "0",
}


@pytest.mark.parametrize(
    ("unit", "verdict", "words"),
    [
        (RUNNING, "ok", "running"),
        (RUNNING | {"NRestarts": "3"}, "ok", "restarted 3 times"),
        (RUNNING | {"NRestarts": "4"}, "wrong", "restarted 4 times; see the reason with journalctl"),
        (
            RUNNING | {"UnitFileState": "disabled"},
            "wrong",
            "not started with the machine; sudo systemctl enable",
        ),
        (RUNNING | {"ActiveState": "failed", "ExecMainStatus": "64"}, "wrong", "refuses its configuration"),
        (
            RUNNING | {"ActiveState": "activating", "SubState": "auto-restart"},
            "wrong",
            "activating (auto-restart)",
        ),
        ({"LoadState": "not-found"}, "note", "is not installed"),
        ({"LoadState": "masked"}, "wrong", "unmask"),
        ({}, "wrong", "journalctl"),
    ],
)
def test_each_state_of_a_unit_has_its_verdict(unit: dict[str, str], verdict: str, words: str) -> None:
    finding = judge_machine.judge_unit("stagelog-recorder.service", unit)
    assert finding.where == "service stagelog-recorder"
    assert_findings([finding], (verdict, words))


@pytest.mark.parametrize(
    ("state", "recording", "verdict", "words"),
    [
        ("absent", {}, "note", "opens the ports itself"),
        ("denied", {}, "wrong", "sudo"),
        ("hangs", {}, "wrong", "does not answer"),
        (
            "running",
            {"ok": True, "rows": 5, "path": "a.db", "dropped": 0},
            "ok",
            "a.db, 5 rows, nothing lost",
        ),
        ("running", {"ok": False, "trouble": "disk full"}, "wrong", "disk full"),
        ("running", {"ok": True, "dropped": 7}, "wrong", "7 rows were dropped"),
    ],
)
def test_each_state_of_the_recorder_has_its_verdict(
    state: str, recording: dict[str, object], verdict: str, words: str
) -> None:
    assert_findings([judge_machine.judge_recorder(state, "why", recording)], (verdict, words))


@pytest.mark.parametrize(
    ("unit", "verdict", "words"),
    [
        (RUNNING, "ok", "switched off as set in [shutdown]"),
        (RUNNING | {"ActiveState": "inactive"}, "wrong", "no service executes it; `sudo stagelog install"),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "wrong", "[shutdown] is set, but"),
    ],
)  # fmt: skip
def test_the_unit_that_switches_off_is_checked(unit: dict[str, str], verdict: str, words: str) -> None:
    assert_findings([judge_machine.judge_power_off(unit)], (verdict, words))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("read", []),
        ("none", [("note", "no new row reached its log meanwhile: the data of receiver and buses is not known")]),
        ("denied", [("note", "its log cannot be read without permission: the data")]),
        ("unreadable", [("note", "its log cannot be read")]),
    ],
)  # fmt: skip
def test_an_unreadable_log_of_the_recorder_is_reported(rows: str, expected: list[tuple[str, str]]) -> None:
    assert_findings(judge_machine.judge_rows(rows), *expected)


def test_a_recorder_with_an_earlier_configuration_is_reported() -> None:
    assert texts(judge_machine.judge_configuration([])) == []
    words = (
        "runs with an earlier configuration: [gps], [log] differ; sudo systemctl restart stagelog-recorder"
    )
    assert_findings(judge_machine.judge_configuration(["gps", "log"]), ("wrong", words))


def test_a_finding_is_one_line() -> None:
    assert str(Finding("wrong", "port gps", "silent", "plug it in")) == "WRONG  port gps: silent; plug it in"
    assert str(Finding("ok", "port gps", "well")) == "OK     port gps: well"
