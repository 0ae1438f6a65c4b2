"""The doctor's verdicts on disks, cards, logs, power, units and the recorder, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from logger.doctor import judge_machine, judge_storage
from logger.doctor.findings import Finding
from logger.doctor.judge_storage import Card, LogInventory
from tests.logger.doctor.judging import assert_findings, texts


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
